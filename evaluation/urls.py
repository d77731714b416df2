"""Addresses of evaluations and models, below ``/w/<workspace>/``."""

from django.urls import path

from evaluation.views import evaluations, flagged, home, models, rows

urlpatterns = [
    path("palette/", home.palette, name="palette"),
    path("evaluations/", evaluations.index, name="evaluations"),
    path("evaluations/<uuid:pk>/", evaluations.show, name="evaluation"),
    path("evaluations/<uuid:pk>/report.<str:form>", evaluations.download, name="evaluation_download"),
    path("evaluations/<uuid:pk>/rows/", rows.index, name="evaluation_rows"),
    path("evaluations/<uuid:pk>/rows/flag/", flagged.flag, name="flag_row"),
    path("evaluations/<uuid:pk>/rows/keep/", flagged.keep, name="keep_rows"),
    path("evaluations/flagged/", flagged.index, name="flagged_rows"),
    path("models/", models.index, name="models"),
    path("models/<uuid:pk>/", models.show, name="model"),
    path("models/<uuid:pk>/files/<path:name>", models.download, name="model_file"),
]
