"""Addresses of evaluations and models, below ``/w/<workspace>/``."""

from django.urls import path

from evaluation.views import breakeven, comparison, evaluations, flagged, home, leaderboard, models, rows, sign_off

urlpatterns = [
    path("palette/", home.palette, name="palette"),
    path("runs/compare/", comparison.show, name="runs_compare"),
    path("runs/compare/curves.json", comparison.curves, name="runs_compare_curves"),
    path("runs/compare/runs.csv", comparison.download, name="runs_compare_file"),
    path("evaluations/", evaluations.index, name="evaluations"),
    path("evaluations/<uuid:pk>/", evaluations.show, name="evaluation"),
    path("evaluations/<uuid:pk>/report.<str:form>", evaluations.download, name="evaluation_download"),
    path("evaluations/<uuid:pk>/break-even/", breakeven.show, name="evaluation_breakeven"),
    path("evaluations/<uuid:pk>/router.zip", breakeven.router, name="evaluation_router"),
    path("evaluations/<uuid:pk>/rows/", rows.index, name="evaluation_rows"),
    path("evaluations/<uuid:pk>/rows/flag/", flagged.flag, name="flag_row"),
    path("evaluations/<uuid:pk>/rows/keep/", flagged.keep, name="keep_rows"),
    path("evaluations/compare/", leaderboard.show, name="evaluations_compare"),
    path("evaluations/flagged/", flagged.index, name="flagged_rows"),
    path("evaluations/<uuid:pk>/sign-off/", sign_off.show, name="sign_off"),
    path("evaluations/<uuid:pk>/sign-off/decide/", sign_off.decide, name="sign_off_decide"),
    path("evaluations/<uuid:pk>/sign-off/withdraw/", sign_off.withdraw, name="sign_off_withdraw"),
    path("evaluations/<uuid:pk>/sign-off/ask/", sign_off.ask, name="sign_off_ask"),
    path("settings/sign-off/", sign_off.rules, name="sign_off_rules"),
    path("models/", models.index, name="models"),
    path("models/<uuid:pk>/", models.show, name="model"),
    path("models/<uuid:pk>/files/<path:name>", models.download, name="model_file"),
]
