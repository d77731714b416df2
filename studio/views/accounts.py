"""Signing in: by password, or by a one-time link."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from studio.accounts import use_sign_in_link


@never_cache
@require_http_methods(["GET", "POST"])
def one_time_sign_in(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in with a one-time link. GET only shows the button, so that a link preview can't use the link up."""
    if request.method == "GET":
        return render(request, "studio/one_time_sign_in.html")
    user = use_sign_in_link(token)
    if user is None:
        return render(request, "studio/one_time_sign_in.html", {"refused": True}, status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    if not user.has_usable_password():
        return redirect("set_password")
    return redirect("home")


@login_required
@require_http_methods(["GET", "POST"])
def set_password(request: HttpRequest) -> HttpResponse:
    """Choose a password, so that the next sign-in needs no link."""
    form = SetPasswordForm(cast(User, request.user), request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        update_session_auth_hash(request, user)
        messages.success(request, f"Password set. Next time, sign in as '{user.get_username()}'.")
        return redirect("home")
    status = 422 if request.method == "POST" else 200
    return render(request, "studio/set_password.html", {"form": form}, status=status)
