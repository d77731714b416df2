"""Addresses of the Vault, below ``/w/<workspace>/vault/``."""

from django.urls import path

from vault.views import datasets, downloads, holdout, home, profile, review_desk, reviews, rows, uploads

urlpatterns = [
    path("", home.vault, name="vault"),
    path("upload/", uploads.new, name="upload_new"),
    path("uploads/<uuid:pk>/", uploads.show, name="upload"),
    path("uploads/<uuid:pk>/preview/", uploads.preview, name="upload_preview"),
    path("uploads/<uuid:pk>/start/", uploads.start, name="upload_start"),
    path("uploads/<uuid:pk>/accept/", uploads.accept, name="upload_accept"),
    path("uploads/<uuid:pk>/cancel/", uploads.cancel, name="upload_cancel"),
    path("uploads/<uuid:pk>/dismiss/", uploads.dismiss, name="upload_dismiss"),
    path("uploads/<uuid:pk>/retry/", uploads.retry, name="upload_retry"),
    path("uploads/<uuid:pk>/problems/", uploads.problems, name="upload_problems"),
    path("uploads/<uuid:pk>/problems.csv", downloads.problems, name="upload_problems_file"),
    path("datasets/<slug:slug>/", rows.browse, name="dataset"),
    path("datasets/<slug:slug>/versions/", datasets.versions, name="dataset_versions"),
    path("datasets/<slug:slug>/v<int:number>/", rows.browse, name="dataset_version"),
    path("datasets/<slug:slug>/v<int:number>/profile/", profile.profile, name="dataset_profile"),
    path("datasets/<slug:slug>/v<int:number>/profile/limit/", profile.limit, name="dataset_profile_limit"),
    path("datasets/<slug:slug>/v<int:number>/profile/cancel/", profile.cancel, name="dataset_profile_cancel"),
    path("datasets/<slug:slug>/v<int:number>/profile/retry/", profile.retry, name="dataset_profile_retry"),
    path("datasets/<slug:slug>/v<int:number>/index/", rows.index, name="dataset_index"),
    path("datasets/<slug:slug>/v<int:number>/rows/<int:rid>/", rows.row, name="dataset_row"),
    path("datasets/<slug:slug>/v<int:number>/rows/<int:rid>/file/", rows.row_file, name="dataset_row_file"),
    path("datasets/<slug:slug>/v<int:number>/download/<str:wanted>/", downloads.version, name="dataset_download"),
    path("datasets/<slug:slug>/v<int:number>/held-out/", holdout.mark, name="dataset_held_out"),
    path("datasets/<slug:slug>/v<int:number>/review/", reviews.index, name="review_index"),
    path("datasets/<slug:slug>/v<int:number>/review/start/", reviews.start, name="review_start"),
    path("datasets/<slug:slug>/review/<int:number>/", reviews.show, name="review_round"),
    path("datasets/<slug:slug>/review/<int:number>/desk/", review_desk.desk, name="review_desk"),
    path("datasets/<slug:slug>/review/<int:number>/rows/<int:position>/", review_desk.judge, name="review_judge"),
    path("datasets/<slug:slug>/review/<int:number>/undo/", review_desk.undo, name="review_undo"),
    path("datasets/<slug:slug>/review/<int:number>/rows/<int:position>/decide/", reviews.decide, name="review_decide"),
    path("datasets/<slug:slug>/review/<int:number>/extend/", reviews.extend, name="review_extend"),
    path("datasets/<slug:slug>/review/<int:number>/share/", reviews.share, name="review_share"),
    path("datasets/<slug:slug>/review/<int:number>/close/", reviews.close, name="review_close"),
]
