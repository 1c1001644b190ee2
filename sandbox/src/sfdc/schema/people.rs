//! Users of the organization.

use super::{
    Object, Preset,
    build::{address, choice, datetime, email, flag, head, phone, reference, stamps, text, url},
};

pub(super) fn objects() -> Vec<Object> {
    vec![user()]
}

fn user() -> Object {
    let mut fields = head("User ID");
    // A user is deactivated, never deleted.
    fields.retain(|field| field.name != "IsDeleted");
    fields.extend([
        text("Username", "Username", 80).required().external(),
        text("LastName", "Last Name", 80).required().part("Name"),
        text("FirstName", "First Name", 40).part("Name"),
        text("Name", "Full Name", 121).fixed().naming(),
        text("CompanyName", "Company Name", 80),
        text("Division", "Division", 80),
        text("Department", "Department", 80),
        text("Title", "Title", 80),
    ]);
    fields.extend(address(
        [
            ("Street", "Street"),
            ("City", "City"),
            ("State", "State/Province"),
            ("PostalCode", "Zip/Postal Code"),
            ("Country", "Country"),
        ],
        ("Address", "Address"),
    ));
    fields.extend([
        email("Email", "Email").required(),
        phone("Phone", "Phone"),
        phone("Fax", "Fax"),
        phone("MobilePhone", "Mobile"),
        text("Alias", "Alias", 8).required(),
        text("CommunityNickname", "Nickname", 40),
        flag("UserPermissionsSupportUser", "Service Cloud User"),
        flag("IsActive", "Active").preset(Preset::Flag(true)),
        choice("TimeZoneSidKey", "Time Zone", &["GMT", "Europe/Stockholm", "Europe/Rome", "America/Los_Angeles"])
            .required()
            .restricted(),
        choice("LocaleSidKey", "Locale", &["en_US", "en_GB", "sv_SE", "it_IT", "de_DE"]).required().restricted(),
        choice("EmailEncodingKey", "Email Encoding", &["UTF-8", "ISO-8859-1"]).required().restricted(),
        text("ProfileId", "Profile ID", 18).required(),
        choice("UserType", "User Type", &["Standard", "PowerPartner", "CsnOnly"]).fixed(),
        choice("LanguageLocaleKey", "Language", &["en_US", "sv", "it", "de"]).required().restricted(),
        text("EmployeeNumber", "Employee Number", 20),
        reference("ManagerId", "Manager ID", "Manager", &["User"]),
        datetime("LastLoginDate", "Last Login").fixed(),
        text("AboutMe", "About Me", 1000),
        url("SmallPhotoUrl", "Url for Thumbnail sized Photo").fixed(),
    ]);
    fields.extend(stamps());
    Object { name: "User", label: "User", plural: "Users", prefix: "005", fields, deletable: false }
}
