"""The canteen's pages, by who stands before them."""

from doorstep.services.canteen.pages import diner_urls, till_urls, union_urls, venue_urls

app_name = "canteen"
urlpatterns = [*diner_urls.urlpatterns, *union_urls.urlpatterns, *venue_urls.urlpatterns, *till_urls.urlpatterns]
