//! The object this organization's administrator has added.

use super::{
    Object,
    build::{area, choice, date, double, flag, head, owner, reference, stamps, text, views},
};

pub(super) fn objects() -> Vec<Object> {
    let mut fields = head("Record ID");
    fields.extend([
        owner(&["User"]),
        text("Name", "My Object Name", 80).naming(),
        choice("Stage__c", "Stage", &["New", "Running", "Done"]).restricted(),
        double("Score__c", "Score", (6, 2)),
        date("Due__c", "Due"),
        flag("Active__c", "Active"),
        area("Remarks__c", "Remarks", 32_768),
        text("External_Key__c", "External Key", 40).external(),
        reference("Contact__c", "Contact", "Contact__r", &["Contact"]),
    ]);
    fields.extend(stamps());
    fields.extend(views());
    vec![Object {
        name: "My_Object__c",
        label: "My Object",
        plural: "My Objects",
        prefix: "a00",
        fields,
        deletable: true,
    }]
}
