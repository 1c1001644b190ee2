"""The provider's own client against its imitation: hubspot.py BASE_URL ACCESS_TOKEN

Needs PyPI hubspot-api-client. Exits with 0 when everything is as the client expects it.
"""

import sys

sys.path.pop(0)  # where this file stands, which has the name of the package

from hubspot import HubSpot
from hubspot.crm.associations.v4 import AssociationSpec
from hubspot.crm.companies import SimplePublicObjectInputForCreate as NewCompany
from hubspot.crm.contacts import (
    ApiException,
    PublicObjectSearchRequest,
    SimplePublicObject,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.lists import ApiException as ListException, ListCreateRequest, ListSearchRequest


def at(api, base):
    """The same interface at another address: every access makes a new one, so it has to be kept."""
    api.api_client.configuration.host = base
    return api


def main(base, token):
    client = HubSpot(access_token=token)
    contacts = at(client.crm.contacts.basic_api, base)
    search = at(client.crm.contacts.search_api, base)
    companies = at(client.crm.companies.basic_api, base)
    links = at(client.crm.associations.v4.basic_api, base)
    owners = at(client.crm.owners.owners_api, base)
    pipelines = at(client.crm.pipelines.pipelines_api, base)

    body = {"firstname": "Judge", "lastname": "Byron", "email": "judge.byron@example.test"}
    made = contacts.create(SimplePublicObjectInputForCreate(properties=body, associations=[]))
    assert made.id and made.properties["email"] == body["email"], made
    assert made.created_at.year >= 2024, made.created_at

    seen, after = [], None
    while True:
        page = contacts.get_page(limit=2, after=after, properties=["email"])
        seen += [one.id for one in page.results]
        assert all(isinstance(one.properties, dict) for one in page.results)
        if page.paging is None:
            break
        after = page.paging.next.after
    assert made.id in seen and len(seen) == len(set(seen)), seen

    read = contacts.get_by_id(made.id, properties=["firstname", "lastname"])
    assert read.properties["lastname"] == "Byron" and read.archived is False, read

    changed = contacts.update(made.id, SimplePublicObjectInput(properties={"lastname": "King"}))
    assert isinstance(changed, SimplePublicObject) and changed.properties["lastname"] == "King", changed

    wanted = [{"filters": [{"propertyName": "lastname", "operator": "EQ", "value": "King"}]}]
    found = search.do_search(PublicObjectSearchRequest(filter_groups=wanted, properties=["email"], limit=10))
    assert found.total == 1 and found.results[0].id == made.id, found

    company = companies.create(NewCompany(properties={"name": "Judge Ltd"}, associations=[]))
    spec = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=1)]
    links.create("contacts", made.id, "companies", company.id, association_spec=spec)
    linked = links.get_page("contacts", made.id, "companies").results
    assert [str(one.to_object_id) for one in linked] == [company.id], linked
    assert {kind.type_id for kind in linked[0].association_types} == {1, 279}, linked
    links.archive("contacts", made.id, "companies", company.id)
    assert links.get_page("contacts", made.id, "companies").results == []

    assert owners.get_page().results[0].email
    assert pipelines.get_all("deals").results[0].stages[0].label

    lists = at(client.crm.lists.lists_api, base)
    members = at(client.crm.lists.memberships_api, base)
    request = ListCreateRequest(name="Judge's friends", object_type_id="0-1", processing_type="MANUAL")
    friends = lists.create(request).list
    assert friends.list_id and friends.size == 0, friends
    added = members.add(friends.list_id, [made.id, "404"])
    assert (added.records_ids_added, added.record_ids_missing) == ([made.id], ["404"]), added
    assert [one.record_id for one in members.get_page(friends.list_id, limit=10).results] == [made.id]
    on = [one.list_id for one in members.get_lists("0-1", made.id).results]
    assert on == [friends.list_id], on
    renamed = lists.update_name(friends.list_id, list_name="Judge's foes").updated_list
    assert renamed.name == "Judge's foes" and renamed.size == 1, renamed
    found = lists.do_search(ListSearchRequest(query="foes", count=5, offset=0))
    assert [one.list_id for one in found.lists] == [friends.list_id] and found.total == 1, found
    assert members.remove(friends.list_id, [made.id]).record_ids_removed == [made.id]
    lists.remove(friends.list_id)
    try:
        lists.get_by_id(friends.list_id)
        raise AssertionError("a list that is deleted was read")
    except ListException as error:
        assert error.status == 404, error

    contacts.archive(made.id)
    try:
        contacts.get_by_id(made.id)
        raise AssertionError("a contact that is archived was read")
    except ApiException as error:
        assert error.status == 404, error
    print("hubspot: ok")


if __name__ == "__main__":
    main(*sys.argv[1:3])
