"""Addresses of the pages of students."""

from django.urls import path

from apps.portal.pages import conversations, entrance, keys, refusals, start, week

app_name = "portal"
urlpatterns = [
    path("leave/", entrance.out, name="leave"),
    path("c/<slug:slug>/", week.page, name="week"),
    path("c/<slug:slug>/start/", start.page, name="start"),
    path("c/<slug:slug>/refused/", refusals.page, name="refused"),
    path("c/<slug:slug>/conversations/", conversations.listed, name="conversations"),
    path("c/<slug:slug>/conversations/<int:pk>/", conversations.page, name="conversation"),
    path("c/<slug:slug>/keys/", keys.page, name="keys"),
    path("c/<slug:slug>/keys/new/", keys.issue, name="new_key"),
    path("c/<slug:slug>/keys/<int:pk>/", keys.change, name="change_key"),
]
