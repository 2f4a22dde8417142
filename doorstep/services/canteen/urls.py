"""The canteen's pages."""

from doorstep.services.canteen.pages.diner_urls import urlpatterns as diner_pages
from doorstep.services.canteen.pages.union_urls import urlpatterns as union_pages
from doorstep.services.canteen.pages.venue_urls import urlpatterns as venue_pages

app_name = "canteen"
urlpatterns = [*diner_pages, *union_pages, *venue_pages]
