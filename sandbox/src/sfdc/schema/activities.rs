//! Tasks, events, notes and emails.

use super::{
    Field, Object, Preset,
    build::{area, choice, date, datetime, flag, head, int, owner, reference, stamps, text},
};

pub(super) fn objects() -> Vec<Object> {
    vec![task(), event(), note(), email()]
}

/// Who and what an activity is about.
fn about() -> [Field; 2] {
    [
        reference("WhoId", "Name ID", "Who", &["Contact", "Lead"]),
        reference("WhatId", "Related To ID", "What", &["Account", "Campaign", "Opportunity", "My_Object__c"]),
    ]
}

fn task() -> Object {
    let mut fields = head("Activity ID");
    fields.extend(about());
    fields.extend([
        text("Subject", "Subject", 255).naming(),
        date("ActivityDate", "Due Date Only"),
        choice("Status", "Status", &["Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"])
            .required()
            .preset(Preset::Choice("Not Started")),
        choice("Priority", "Priority", &["High", "Normal", "Low"]).required().preset(Preset::Choice("Normal")),
        flag("IsHighPriority", "High Priority").fixed(),
        owner(&["User"]),
        area("Description", "Description", 32_000),
        reference("AccountId", "Account ID", "Account", &["Account"]).fixed(),
        flag("IsClosed", "Closed").fixed(),
        int("CallDurationInSeconds", "Call Duration"),
        choice("CallType", "Call Type", &["Internal", "Inbound", "Outbound"]),
        text("CallDisposition", "Call Result", 255),
        datetime("ReminderDateTime", "Reminder Date/Time"),
        flag("IsReminderSet", "Reminder Set"),
        choice("TaskSubtype", "Task Subtype", &["Task", "Email", "ListEmail", "Cadence", "Call", "LinkedIn"])
            .preset(Preset::Choice("Task"))
            .create_only()
            .restricted(),
        datetime("CompletedDateTime", "Completed Date").fixed(),
    ]);
    fields.extend(stamps());
    Object { name: "Task", label: "Task", plural: "Tasks", prefix: "00T", fields, deletable: true }
}

fn event() -> Object {
    let mut fields = head("Event ID");
    fields.extend(about());
    fields.extend([
        text("Subject", "Subject", 255).naming(),
        text("Location", "Location", 255),
        flag("IsAllDayEvent", "All-Day Event"),
        datetime("ActivityDateTime", "Due Date Time"),
        date("ActivityDate", "Due Date Only"),
        int("DurationInMinutes", "Duration"),
        datetime("StartDateTime", "Start Date Time"),
        datetime("EndDateTime", "End Date Time"),
        date("EndDate", "End Date").fixed(),
        area("Description", "Description", 32_000),
        reference("AccountId", "Account ID", "Account", &["Account"]).fixed(),
        owner(&["User"]),
        flag("IsPrivate", "Private"),
        choice("ShowAs", "Show Time As", &["Busy", "OutOfOffice", "Free"]).preset(Preset::Choice("Busy")).restricted(),
        flag("IsChild", "Is Child").fixed(),
        datetime("ReminderDateTime", "Reminder Date/Time"),
        flag("IsReminderSet", "Reminder Set"),
        choice("EventSubtype", "Event Subtype", &["Event"]).preset(Preset::Choice("Event")).create_only().restricted(),
    ]);
    fields.extend(stamps());
    Object { name: "Event", label: "Event", plural: "Events", prefix: "00U", fields, deletable: true }
}

fn note() -> Object {
    let mut fields = head("Note Id");
    fields.extend([
        reference(
            "ParentId",
            "Parent ID",
            "Parent",
            &["Account", "Campaign", "Contact", "Lead", "Opportunity", "My_Object__c"],
        )
        .required()
        .create_only(),
        text("Title", "Title", 80).required().naming(),
        flag("IsPrivate", "Private"),
        area("Body", "Body", 32_000),
        owner(&["User"]),
    ]);
    fields.extend(stamps());
    Object { name: "Note", label: "Note", plural: "Notes", prefix: "002", fields, deletable: true }
}

/// Only drafts can be changed, which nobody makes here.
fn email() -> Object {
    let mut fields = head("Email Message ID");
    let about = &["Account", "Campaign", "Case", "Opportunity", "My_Object__c"];
    let own = [
        reference("RelatedToId", "Related To ID", "RelatedTo", about),
        text("Subject", "Subject", 3000).naming(),
        area("TextBody", "Text Body", 131_072),
        area("HtmlBody", "HTML Body", 131_072),
        text("FromName", "From Name", 1000),
        text("FromAddress", "From Address", 1000),
        text("ToAddress", "To Address", 4000),
        text("CcAddress", "CC Address", 4000),
        text("BccAddress", "BCC Address", 4000),
        flag("Incoming", "Is Incoming"),
        choice("Status", "Status", &["0", "1", "2", "3", "4", "5"]).required().preset(Preset::Choice("0")).restricted(),
        datetime("MessageDate", "Message Date"),
        flag("HasAttachment", "Has Attachment").fixed(),
    ];
    fields.extend(own.map(Field::create_only));
    fields.extend(stamps());
    Object {
        name: "EmailMessage",
        label: "Email Message",
        plural: "Email Messages",
        prefix: "02s",
        fields,
        deletable: true,
    }
}
