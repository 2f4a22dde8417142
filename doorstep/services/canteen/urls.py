"""The canteen's pages, by who stands before them."""

from doorstep.services.canteen.pages import (
    audit_urls,
    diner_urls,
    feedback_urls,
    settlement_urls,
    till_urls,
    union_urls,
    venue_urls,
    watch_urls,
)

app_name = "canteen"
urlpatterns = [
    *diner_urls.urlpatterns,
    *union_urls.urlpatterns,
    *venue_urls.urlpatterns,
    *till_urls.urlpatterns,
    *settlement_urls.urlpatterns,
    *watch_urls.urlpatterns,
    *feedback_urls.urlpatterns,
    *audit_urls.urlpatterns,
]
