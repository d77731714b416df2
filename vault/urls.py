"""Addresses of the Vault, below ``/w/<workspace>/vault/``."""

from django.urls import path

from vault.views import datasets, downloads, home, rows, uploads

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
    path("datasets/<slug:slug>/v<int:number>/profile/", datasets.profile, name="dataset_profile"),
    path("datasets/<slug:slug>/v<int:number>/rows/<int:rid>/", rows.row, name="dataset_row"),
    path("datasets/<slug:slug>/v<int:number>/download/<str:wanted>/", downloads.version, name="dataset_download"),
]
