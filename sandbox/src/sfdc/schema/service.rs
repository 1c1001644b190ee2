//! Cases, their comments, and knowledge articles.

use super::{
    Field, Object, Preset,
    build::{area, choice, datetime, email, flag, head, int, owner, phone, reference, stamps, text, views},
};

pub(super) fn objects() -> Vec<Object> {
    vec![case(), comment(), article()]
}

fn case() -> Object {
    let mut fields = head("Case ID");
    fields.extend([
        text("CaseNumber", "Case Number", 30).fixed().naming(),
        reference("ContactId", "Contact ID", "Contact", &["Contact"]),
        reference("AccountId", "Account ID", "Account", &["Account"]),
        reference("ParentId", "Parent Case ID", "Parent", &["Case"]),
        text("SuppliedName", "Name", 80),
        email("SuppliedEmail", "Email Address"),
        phone("SuppliedPhone", "Phone"),
        text("SuppliedCompany", "Company", 80),
        choice("Type", "Case Type", &["Mechanical", "Electrical", "Electronic", "Structural", "Other"]),
        choice("Status", "Status", &["New", "Working", "Escalated", "On Hold", "Closed"]).preset(Preset::Choice("New")),
        choice("Reason", "Case Reason", &["Installation", "Performance", "Breakdown", "Feedback", "Other"]),
        choice("Origin", "Case Origin", &["Phone", "Email", "Web"]),
        text("Subject", "Subject", 255),
        choice("Priority", "Priority", &["High", "Medium", "Low"]).preset(Preset::Choice("Medium")),
        area("Description", "Description", 32_000),
        flag("IsClosed", "Closed").fixed(),
        datetime("ClosedDate", "Closed Date").fixed(),
        flag("IsEscalated", "Escalated"),
        owner(&["User"]),
        choice("Product_Line__c", "Product Line", &["Shelves", "Racks", "Services"]),
    ]);
    fields.extend(stamps());
    fields.extend(views().into_iter().filter(|field| field.name != "LastActivityDate"));
    Object { name: "Case", label: "Case", plural: "Cases", prefix: "500", fields, deletable: true }
}

fn comment() -> Object {
    let mut fields = vec![Field { length: 18, ..Field::new("Id", "Case Comment Id", super::Kind::Id) }.fixed()];
    fields.extend([
        reference("ParentId", "Parent ID", "Parent", &["Case"]).required().create_only(),
        flag("IsPublished", "Published").preset(Preset::Flag(false)),
        area("CommentBody", "Body", 4000),
    ]);
    fields.extend(stamps());
    fields.push(flag("IsDeleted", "Deleted").fixed());
    Object {
        name: "CaseComment",
        label: "Case Comment",
        plural: "Case Comments",
        prefix: "00a",
        fields,
        deletable: true,
    }
}

/// Versions of articles. A version is made as a draft; only drafts can be changed or deleted.
fn article() -> Object {
    let mut fields = head("Knowledge Version ID");
    fields.extend([
        text("KnowledgeArticleId", "Knowledge Article ID", 18).fixed(),
        owner(&["User"]),
        text("ArticleNumber", "Article Number", 30).fixed(),
        choice("PublishStatus", "Publication Status", &["Draft", "Online", "Archived"]).fixed(),
        int("VersionNumber", "Version Number").fixed(),
        flag("IsLatestVersion", "Is Latest Version").fixed(),
        flag("IsVisibleInPkb", "Visible In Public Knowledge Base"),
        text("Title", "Title", 255).required().naming(),
        text("UrlName", "URL Name", 255).required(),
        area("Summary", "Summary", 1000),
        choice("Language", "Language", &["en_US", "sv", "it", "de"]).preset(Preset::Choice("en_US")).create_only(),
        datetime("FirstPublishedDate", "First Published Date").fixed(),
        datetime("LastPublishedDate", "Last Published Date").fixed(),
        area("Answer__c", "Answer", 32_768),
    ]);
    fields.extend(stamps());
    Object { name: "Knowledge__kav", label: "Knowledge", plural: "Knowledge", prefix: "ka0", fields, deletable: true }
}
