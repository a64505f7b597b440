"""The pages: a module each, whose `urlpatterns` dashboard/urls.py takes."""
