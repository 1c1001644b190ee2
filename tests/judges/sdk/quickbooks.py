"""A client of many years against the imitation: quickbooks.py BASE_URL ACCESS_TOKEN [REALM]

Needs PyPI python-quickbooks. Exits with 0 when everything is as the client expects it.
"""

import sys
import types

sys.path.pop(0)  # where this file stands, which has the name of the package

from quickbooks import QuickBooks
from quickbooks.exceptions import QuickbooksException
from quickbooks.objects.base import Ref
from quickbooks.objects.customer import Customer
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail
from quickbooks.objects.invoice import Invoice
from quickbooks.objects.item import Item
from quickbooks.objects.paymentmethod import PaymentMethod
from quickbooks.objects.taxagency import TaxAgency
from quickbooks.objects.taxcode import TaxCode
from quickbooks.objects.taxrate import TaxRate
from quickbooks.objects.taxservice import TaxRateDetails, TaxService


def main(base, token, realm="9130350000000001"):
    import requests

    QuickBooks.api_url_v3 = QuickBooks.sandbox_api_url_v3 = base + "/v3"
    session = requests.Session()
    session.access_token = token
    auth = types.SimpleNamespace(access_token=token, refresh_token=None, environment="sandbox", realm_id=realm)
    QuickBooks._start_session = lambda self: setattr(self, "session", session)
    books = QuickBooks(auth_client=auth, company_id=realm, minorversion=75)
    books.session = session

    customer = Customer()
    customer.DisplayName = "Judge & Sons"
    customer.GivenName = "Judge"
    customer = customer.save(qb=books)
    assert customer.Id and customer.SyncToken == "0", customer.to_json()
    assert customer.Id in [one.Id for one in Customer.all(qb=books, max_results=100)]
    read = Customer.get(customer.Id, qb=books)
    assert read.DisplayName == "Judge & Sons" and read.Active is True
    read.GivenName = "Jude"
    read = read.save(qb=books)
    assert read.SyncToken == "1" and Customer.get(customer.Id, qb=books).GivenName == "Jude"
    found = Customer.filter(DisplayName="Judge & Sons", qb=books)
    assert [one.Id for one in found] == [customer.Id]
    assert Customer.count("DisplayName LIKE 'Judge%'", qb=books) == 1

    item = Item.where("Name = 'Shelf'", qb=books)[0]
    line = SalesItemLine()
    line.Amount = 100
    line.DetailType = "SalesItemLineDetail"
    line.SalesItemLineDetail = SalesItemLineDetail()
    line.SalesItemLineDetail.ItemRef = item.to_ref()
    invoice = Invoice()
    invoice.CustomerRef = Ref()
    invoice.CustomerRef.value = customer.Id
    invoice.Line.append(line)
    invoice = invoice.save(qb=books)
    assert invoice.TotalAmt == 100 and invoice.CustomerRef.name == "Judge & Sons"

    stale = Invoice.get(invoice.Id, qb=books)
    invoice.PrivateNote = "first"
    invoice = invoice.save(qb=books)
    stale.PrivateNote = "second"
    try:
        stale.save(qb=books)
        raise AssertionError("a stale invoice was saved")
    except QuickbooksException as error:
        assert error.error_code == 5010, error
    invoice.delete(qb=books)
    try:
        Invoice.get(invoice.Id, qb=books)
        raise AssertionError("an invoice that is deleted was read")
    except QuickbooksException as error:
        assert error.error_code == 610, error

    customer = Customer.get(customer.Id, qb=books)
    customer.Active = False
    customer.save(qb=books)
    assert customer.Id not in [one.Id for one in Customer.all(qb=books, max_results=100)]

    method = PaymentMethod()
    method.Name = "Judge's purse"
    method.Type = "NON_CREDIT_CARD"
    method = method.save(qb=books)
    method.Active = False
    method.save(qb=books)
    assert PaymentMethod.get(method.Id, qb=books).Active is False
    assert [one.Name for one in PaymentMethod.filter(Name="Cash", qb=books)] == ["Cash"]

    detail = TaxRateDetails()
    detail.TaxRateName, detail.RateValue, detail.TaxAgencyId = "Judge's tenth", 10, TaxAgency.all(qb=books)[0].Id
    service = TaxService()
    service.TaxCode = "Judge's tenth"
    service.TaxRateDetails.append(detail)
    service.save(qb=books)
    rate = next(one for one in TaxRate.all(qb=books) if one.Name == "Judge's tenth")
    assert rate.RateValue == 10 and TaxRate.get(rate.Id, qb=books).AgencyRef.value == detail.TaxAgencyId
    assert [one.Name for one in TaxCode.filter(Name="Judge's tenth", qb=books)] == ["Judge's tenth"]
    print("quickbooks: ok")


if __name__ == "__main__":
    main(*sys.argv[1:4])
