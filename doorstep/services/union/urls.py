"""The union's pages, by subject."""

from doorstep.services.union.pages import board_urls, home_urls, members_urls, overview_urls

app_name = "union"
urlpatterns = [
    *home_urls.urlpatterns,
    *members_urls.urlpatterns,
    *overview_urls.urlpatterns,
    *board_urls.urlpatterns,
]
