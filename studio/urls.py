"""All addresses of the Studio. Everything of a workspace lives under ``/w/<workspace>/``."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from evaluation.views import home
from studio.views import accounts, credentials, health, members, styleguide, workers

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", health.health, name="health"),
    path(
        "sign-in/",
        LoginView.as_view(template_name="studio/sign_in.html", redirect_authenticated_user=True),
        name="sign_in",
    ),
    path("sign-in/once/<str:token>/", accounts.one_time_sign_in, name="one_time_sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("account/password/", accounts.set_password, name="set_password"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("styleguide/drawer/", styleguide.styleguide_drawer, name="styleguide_drawer"),
    path("w/<slug:workspace>/", home.show, name="workspace_home"),
    path("w/<slug:workspace>/settings/", members.index, name="members"),
    path("w/<slug:workspace>/settings/people/<int:pk>/", members.change, name="member_change"),
    path("w/<slug:workspace>/settings/keys/", credentials.index, name="credentials"),
    path("w/<slug:workspace>/settings/keys/<uuid:pk>/test/", credentials.test, name="credential_test"),
    path("w/<slug:workspace>/settings/keys/<uuid:pk>/remove/", credentials.remove, name="credential_remove"),
    path("w/<slug:workspace>/settings/audit/", members.audit_trail, name="audit"),
    path("w/<slug:workspace>/settings/workers/", workers.index, name="workers"),
    path("w/<slug:workspace>/settings/workers/<int:pk>/drain/", workers.drain, name="worker_drain"),
    path("w/<slug:workspace>/vault/", include("vault.urls")),
    path("w/<slug:workspace>/", include("pipelines.urls")),
    path("w/<slug:workspace>/", include("evaluation.urls")),
]
