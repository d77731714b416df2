"""All addresses of the Studio. Everything of a workspace lives under ``/w/<workspace>/``."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from evaluation.views import home, sharing
from studio.views import accounts, comments, credentials, health, members, notifications, styleguide, webhooks, workers

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
    path("account/address/<str:token>/", notifications.confirm, name="email_confirm"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("styleguide/drawer/", styleguide.styleguide_drawer, name="styleguide_drawer"),
    path("s/<str:token>/", sharing.shared, name="shared_report"),
    path("w/<slug:workspace>/", home.show, name="workspace_home"),
    path("w/<slug:workspace>/settings/", members.index, name="members"),
    path("w/<slug:workspace>/settings/people/<int:pk>/", members.change, name="member_change"),
    path("w/<slug:workspace>/settings/keys/", credentials.index, name="credentials"),
    path("w/<slug:workspace>/settings/keys/<uuid:pk>/test/", credentials.test, name="credential_test"),
    path("w/<slug:workspace>/settings/keys/<uuid:pk>/remove/", credentials.remove, name="credential_remove"),
    path("w/<slug:workspace>/settings/audit/", members.audit_trail, name="audit"),
    path("w/<slug:workspace>/comments/<int:pk>/change/", comments.change, name="comment_change"),
    path("w/<slug:workspace>/comments/<int:pk>/delete/", comments.delete, name="comment_delete"),
    path("w/<slug:workspace>/comments/<int:pk>/resolve/", comments.resolve, name="comment_resolve"),
    path("w/<slug:workspace>/comments/<slug:kind>/<str:key>/", comments.show, name="comments"),
    path("w/<slug:workspace>/notifications/", notifications.index, name="notifications"),
    path("w/<slug:workspace>/notifications/read/", notifications.read_all, name="notifications_read"),
    path("w/<slug:workspace>/notifications/<int:pk>/read/", notifications.read, name="notification_read"),
    path("w/<slug:workspace>/settings/notifications/", notifications.choices, name="notification_choices"),
    path("w/<slug:workspace>/settings/notifications/address/", notifications.address, name="notification_address"),
    path("w/<slug:workspace>/settings/webhooks/", webhooks.index, name="webhooks"),
    path("w/<slug:workspace>/settings/webhooks/<uuid:pk>/", webhooks.show, name="webhook"),
    path("w/<slug:workspace>/settings/webhooks/<uuid:pk>/events/", webhooks.change_events, name="webhook_events"),
    path("w/<slug:workspace>/settings/webhooks/<uuid:pk>/test/", webhooks.test, name="webhook_test"),
    path("w/<slug:workspace>/settings/webhooks/<uuid:pk>/secret/", webhooks.renew_secret, name="webhook_secret"),
    path("w/<slug:workspace>/settings/webhooks/<uuid:pk>/pause/", webhooks.pause, name="webhook_pause"),
    path("w/<slug:workspace>/settings/webhooks/<uuid:pk>/remove/", webhooks.remove, name="webhook_remove"),
    path(
        "w/<slug:workspace>/settings/webhooks/<uuid:pk>/deliveries/<uuid:delivery>/again/",
        webhooks.redeliver,
        name="webhook_redeliver",
    ),
    path("w/<slug:workspace>/settings/audit/export.jsonl", members.audit_export, name="audit_export"),
    path("w/<slug:workspace>/settings/workers/", workers.index, name="workers"),
    path("w/<slug:workspace>/settings/workers/<int:pk>/drain/", workers.drain, name="worker_drain"),
    path("w/<slug:workspace>/vault/", include("vault.urls")),
    path("w/<slug:workspace>/", include("pipelines.urls")),
    path("w/<slug:workspace>/", include("evaluation.urls")),
]
