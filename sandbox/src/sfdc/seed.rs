//! The records an organization starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{org::user_id, record, schema::Schema, store::Tables};
use crate::core::PEOPLE;

/// 2024-01-01T00:00:00Z, when the first record was created.
const START: i64 = 1_704_067_200;

/// All records of the start. The order of creation is the order of time, an hour apart.
pub(super) fn tables(schema: &Schema) -> Tables {
    let mut seeds = Seeds { schema, tables: Tables::default(), count: 0 };
    seeds.all();
    seeds.tables
}

struct Seeds<'a> {
    schema: &'a Schema,
    tables: Tables,
    count: i64,
}

impl Seeds<'_> {
    fn add(&mut self, object: &str, owner: u32, body: Value) -> String {
        let Some(object) = self.schema.object(object) else { return String::new() };
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        let made =
            record::check(object, &body.as_object().cloned().unwrap_or_default(), None, self.schema, &self.tables)
                .and_then(|values| record::create(object, values, &user_id(owner), &mut self.tables, now));
        made.unwrap_or_else(|failure| {
            tracing::error!(object = object.name, reason = failure.message, "a seed record was refused");
            String::new()
        })
    }

    fn all(&mut self) {
        self.users();
        let campaign = self.add(
            "Campaign",
            1,
            json!({"Name": "Spring Trade Show", "Type": "Trade Show", "Status": "In Progress", "IsActive": true,
                "StartDate": "2024-03-01", "EndDate": "2024-03-05", "BudgetedCost": 12500}),
        );
        let accounts = [
            self.add(
                "Account",
                1,
                json!({"Name": "Northwind Traders", "Type": "Customer - Direct", "Industry": "Retail", "Phone": "+46 8 555 0101",
                    "Website": "https://northwind.example.com", "BillingStreet": "Kungsgatan 1", "BillingCity": "Stockholm",
                    "BillingPostalCode": "111 43", "BillingCountry": "Sweden", "AnnualRevenue": 8_500_000, "NumberOfEmployees": 120}),
            ),
            self.add(
                "Account",
                1,
                json!({"Name": "O'Hara & Sons", "Type": "Prospect", "Industry": "Construction", "Phone": "+353 1 555 0102",
                    "Website": "https://ohara.example.com", "BillingCity": "Dublin", "BillingCountry": "Ireland"}),
            ),
            self.add(
                "Account",
                2,
                json!({"Name": "Umbra Energy 100%", "Type": "Customer - Channel", "Industry": "Energy", "Rating": "Hot",
                    "AnnualRevenue": 125_000_000.5, "NumberOfEmployees": 2400, "BillingCity": "Milano", "BillingCountry": "Italy"}),
            ),
        ];
        let [northwind, ohara, umbra] = &accounts;
        let maya = self.add(
            "Contact",
            1,
            json!({"FirstName": "Maya", "LastName": "Ekström", "Salutation": "Ms.", "Email": "maya.ekstrom@northwind.example.com",
                "Phone": "+46 8 555 0111", "MobilePhone": "+46 70 555 0111", "Title": "Head of Purchasing", "Department": "Purchasing",
                "AccountId": northwind, "MailingStreet": "Kungsgatan 1", "MailingCity": "Stockholm", "MailingPostalCode": "111 43",
                "MailingCountry": "Sweden", "LeadSource": "Web", "Birthdate": "1984-05-17", "Favorite_Color__c": "teal",
                "Loyalty_Points__c": 420}),
        );
        self.add(
            "Contact",
            1,
            json!({"FirstName": "Seán", "LastName": "O'Hara", "Email": "sean@ohara.example.com", "Phone": "+353 1 555 0112",
                "AccountId": ohara, "Favorite_Color__c": "green"}),
        );
        self.add(
            "Contact",
            2,
            json!({"FirstName": "Giulia", "LastName": "Rinaldi", "Email": "giulia.rinaldi@umbra.example.com", "Title": "CTO",
                "AccountId": umbra, "Loyalty_Points__c": 75, "HasOptedOutOfEmail": true}),
        );
        self.add("Contact", 2, json!({"LastName": "Nakamura", "Email": "nakamura@example.com"}));
        let lead = self.add(
            "Lead",
            1,
            json!({"FirstName": "Tomás", "LastName": "Vega", "Company": "Vega Logistics", "Email": "tomas@vega.example.com",
                "Phone": "+34 91 555 0121", "Status": "Open - Not Contacted", "LeadSource": "Partner Referral", "Rating": "Warm",
                "City": "Madrid", "Country": "Spain"}),
        );
        self.add(
            "Lead",
            2,
            json!({"FirstName": "Priya", "LastName": "Raman", "Company": "Raman Textiles", "Email": "priya@raman.example.com",
                "Status": "Working - Contacted", "Industry": "Apparel", "NumberOfEmployees": 45}),
        );
        let deal = self.add(
            "Opportunity",
            1,
            json!({"Name": "Northwind - 200 shelves", "AccountId": northwind, "StageName": "Proposal/Price Quote", "Amount": 48_000,
                "CloseDate": "2024-06-30", "LeadSource": "Web", "CampaignId": campaign}),
        );
        self.add(
            "Opportunity",
            2,
            json!({"Name": "Umbra - service contract", "AccountId": umbra, "StageName": "Closed Won", "Amount": 310_000.5,
                "CloseDate": "2024-02-15", "Type": "New Customer"}),
        );
        self.add(
            "Task",
            1,
            json!({"Subject": "Call Maya about the quote", "WhoId": maya, "WhatId": deal, "ActivityDate": "2024-06-01",
                "Priority": "High", "Description": "Ask about delivery dates."}),
        );
        self.add("Task", 2, json!({"Subject": "Send brochure", "WhoId": lead, "Status": "Completed"}));
        self.add(
            "Event",
            1,
            json!({"Subject": "Site visit", "WhatId": northwind, "Location": "Stockholm", "DurationInMinutes": 60,
                "ActivityDateTime": "2024-06-03T09:00:00Z"}),
        );
        let case = self.add(
            "Case",
            1,
            json!({"Subject": "Shelf bends under load", "Description": "Two of them, in the second row.", "ContactId": maya,
                "AccountId": northwind, "Origin": "Email", "Priority": "High", "Type": "Structural", "Product_Line__c": "Shelves"}),
        );
        self.add(
            "Case",
            2,
            json!({"Subject": "Invoice unclear", "SuppliedName": "Giulia Rinaldi", "SuppliedEmail": "giulia.rinaldi@umbra.example.com",
                "AccountId": umbra, "Origin": "Web", "Status": "Closed", "Reason": "Other"}),
        );
        self.add("CaseComment", 1, json!({"ParentId": case, "CommentBody": "Photos asked for.", "IsPublished": true}));
        self.add("CaseComment", 2, json!({"ParentId": case, "CommentBody": "Known weakness of the first series."}));
        self.add(
            "Knowledge__kav",
            1,
            json!({"Title": "How much a shelf carries", "UrlName": "how-much-a-shelf-carries", "Summary": "Loads by length",
                "Answer__c": "Up to 40 kg per metre."}),
        );
        self.add(
            "EmailMessage",
            1,
            json!({"RelatedToId": deal, "Subject": "Quote", "TextBody": "Please find the quote attached.", "Status": "3",
                "FromAddress": "ada@example.com", "ToAddress": "maya.ekstrom@northwind.example.com; sean@ohara.example.com",
                "MessageDate": "2024-05-02T09:00:00Z"}),
        );
        self.add("Note", 1, json!({"ParentId": maya, "Title": "Prefers e-mail", "Body": "Rarely answers the phone."}));
        self.add("Note", 2, json!({"ParentId": umbra, "Title": "Contract", "Body": "Renews every February."}));
        self.add(
            "My_Object__c",
            1,
            json!({"Name": "First", "Stage__c": "New", "Score__c": 12.5, "Due__c": "2024-09-01", "External_Key__c": "K-1",
                "Contact__c": maya}),
        );
        self.add(
            "My_Object__c",
            2,
            json!({"Name": "Second", "Stage__c": "Running", "Active__c": true, "External_Key__c": "K-2"}),
        );
    }

    fn users(&mut self) {
        for person in &PEOPLE {
            let alias: String = person.given.chars().chain(person.surname.chars()).take(8).collect();
            self.add(
                "User",
                1,
                json!({"FirstName": person.given, "LastName": person.surname, "Email": person.email, "Username": person.email,
                    "Alias": alias.to_lowercase(), "CommunityNickname": person.given, "TimeZoneSidKey": "GMT",
                    "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US",
                    "ProfileId": "00e5e000000aBcDAAU", "UserPermissionsSupportUser": true, "Title": "Account Executive", "CompanyName": "Sandbox Inc."}),
            );
        }
        self.add(
            "User",
            1,
            json!({"FirstName": "Cleo", "LastName": "Haruna", "Email": "cleo@example.com", "Username": "cleo@example.com",
                "Alias": "charuna", "TimeZoneSidKey": "Europe/Rome", "LocaleSidKey": "it_IT", "EmailEncodingKey": "UTF-8",
                "LanguageLocaleKey": "it", "ProfileId": "00e5e000000aBcDAAU", "IsActive": false}),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_accepted() {
        let schema = Schema::new();
        let mut seeds = Seeds { schema: &schema, tables: Tables::default(), count: 0 };
        seeds.all();
        let kept: usize = schema.objects().iter().map(|object| seeds.tables.records(object.name).count()).sum();
        assert_eq!(i64::try_from(kept).unwrap(), seeds.count);
        for object in schema.objects() {
            assert!(seeds.tables.records(object.name).next().is_some(), "no {}", object.name);
        }
    }
}
