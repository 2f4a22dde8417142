"""The canteen's pages, by who stands before them."""

from doorstep.services.canteen.pages import till_urls

app_name = "canteen"
urlpatterns = [*till_urls.urlpatterns]
