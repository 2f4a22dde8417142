"""Addresses of the union's desk, under /canteen/."""

from django.urls import path

from doorstep.services.canteen.pages import union

urlpatterns = [
    path("union/programmes", union.programme_list, name="programmes"),
    path("union/funding", union.funding, name="funding"),
    path("union/programmes/new", union.programme_new, name="programme-new"),
    path("union/programmes/<uuid:programme_id>", union.programme, name="programme"),
    path("union/programmes/<uuid:programme_id>/fund", union.programme_fund, name="programme-fund"),
    path("union/programmes/<uuid:programme_id>/kinds/new", union.kind_new, name="kind-new"),
    path("union/kinds/<uuid:kind_id>/terms", union.kind_terms, name="kind-terms"),
    path("union/issue", union.issue, name="issue"),
    path("union/issue/sample.csv", union.issue_sample, name="issue-sample"),
    path("union/offers/<uuid:grant_id>/close", union.claim_close, name="claim-close"),
    path("union/vouchers", union.vouchers, name="vouchers"),
    path("union/vouchers/<uuid:entitlement_id>/void", union.voucher_void, name="voucher-void"),
    path("union/venues", union.venue_list, name="venues"),
    path("union/scoring", union.scoring, name="scoring"),
    path("union/deciding", union.deciding, name="deciding"),
    path("union/calls/new", union.call_new, name="call-new"),
    path("union/venues/<uuid:venue_id>", union.venue_case, name="venue-case"),
    path("union/venues/<uuid:venue_id>/tills", union.till_add, name="till-add"),
    path("union/venues/<uuid:venue_id>/<slug:step>", union.venue_step, name="venue-step"),
    path("union/tills/<uuid:device_id>/pairing", union.till_pairing, name="till-pairing"),
]
