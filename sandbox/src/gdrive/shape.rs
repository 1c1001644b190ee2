//! The members of answers, as the API describes them: what `fields` may name.

/// The members of a kind of answer, each with the kind of what it holds: `""` holds a plain value, `"*"` anything.
pub(super) fn members(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "File" => FILE,
        "FileList" => FILELIST,
        "Permission" => PERMISSION,
        "PermissionList" => PERMISSIONLIST,
        "Revision" => REVISION,
        "RevisionList" => REVISIONLIST,
        "Comment" => COMMENT,
        "CommentList" => COMMENTLIST,
        "Reply" => REPLY,
        "Drive" => DRIVE,
        "DriveList" => DRIVELIST,
        "About" => ABOUT,
        "User" => USER,
        _ => &[],
    }
}

const FILE: &[(&str, &str)] = &[
    ("appProperties", "*"),
    ("capabilities", "*"),
    ("clientEncryptionDetails", "*"),
    ("contentHints", "*"),
    ("contentRestrictions", "*"),
    ("copyRequiresWriterPermission", ""),
    ("createdTime", ""),
    ("description", ""),
    ("downloadRestrictions", "*"),
    ("driveId", ""),
    ("explicitlyTrashed", ""),
    ("exportLinks", "*"),
    ("fileExtension", ""),
    ("folderColorRgb", ""),
    ("fullFileExtension", ""),
    ("hasAugmentedPermissions", ""),
    ("hasThumbnail", ""),
    ("headRevisionId", ""),
    ("iconLink", ""),
    ("id", ""),
    ("imageMediaMetadata", "*"),
    ("inheritedPermissionsDisabled", ""),
    ("isAppAuthorized", ""),
    ("kind", ""),
    ("labelInfo", "*"),
    ("lastModifyingUser", "User"),
    ("linkShareMetadata", "*"),
    ("md5Checksum", ""),
    ("mimeType", ""),
    ("modifiedByMe", ""),
    ("modifiedByMeTime", ""),
    ("modifiedTime", ""),
    ("name", ""),
    ("originalFilename", ""),
    ("ownedByMe", ""),
    ("owners", "User"),
    ("parents", ""),
    ("permissionIds", ""),
    ("permissions", "Permission"),
    ("properties", "*"),
    ("quotaBytesUsed", ""),
    ("resourceKey", ""),
    ("sha1Checksum", ""),
    ("sha256Checksum", ""),
    ("shared", ""),
    ("sharedWithMeTime", ""),
    ("sharingUser", "User"),
    ("shortcutDetails", "*"),
    ("size", ""),
    ("spaces", ""),
    ("starred", ""),
    ("teamDriveId", ""),
    ("thumbnailLink", ""),
    ("thumbnailVersion", ""),
    ("trashed", ""),
    ("trashedTime", ""),
    ("trashingUser", "User"),
    ("version", ""),
    ("videoMediaMetadata", "*"),
    ("viewedByMe", ""),
    ("viewedByMeTime", ""),
    ("viewersCanCopyContent", ""),
    ("webContentLink", ""),
    ("webViewLink", ""),
    ("writersCanShare", ""),
];

const FILELIST: &[(&str, &str)] = &[("files", "File"), ("incompleteSearch", ""), ("kind", ""), ("nextPageToken", "")];

const PERMISSION: &[(&str, &str)] = &[
    ("allowFileDiscovery", ""),
    ("deleted", ""),
    ("displayName", ""),
    ("domain", ""),
    ("emailAddress", ""),
    ("expirationTime", ""),
    ("id", ""),
    ("inheritedPermissionsDisabled", ""),
    ("kind", ""),
    ("pendingOwner", ""),
    ("permissionDetails", "*"),
    ("photoLink", ""),
    ("role", ""),
    ("teamDrivePermissionDetails", "*"),
    ("type", ""),
    ("view", ""),
];

const PERMISSIONLIST: &[(&str, &str)] = &[("kind", ""), ("nextPageToken", ""), ("permissions", "Permission")];

const REVISION: &[(&str, &str)] = &[
    ("exportLinks", "*"),
    ("id", ""),
    ("keepForever", ""),
    ("kind", ""),
    ("lastModifyingUser", "User"),
    ("md5Checksum", ""),
    ("mimeType", ""),
    ("modifiedTime", ""),
    ("originalFilename", ""),
    ("publishAuto", ""),
    ("published", ""),
    ("publishedLink", ""),
    ("publishedOutsideDomain", ""),
    ("size", ""),
];

const REVISIONLIST: &[(&str, &str)] = &[("kind", ""), ("nextPageToken", ""), ("revisions", "Revision")];

const COMMENT: &[(&str, &str)] = &[
    ("anchor", ""),
    ("assigneeEmailAddress", ""),
    ("author", "User"),
    ("content", ""),
    ("createdTime", ""),
    ("deleted", ""),
    ("htmlContent", ""),
    ("id", ""),
    ("kind", ""),
    ("mentionedEmailAddresses", ""),
    ("modifiedTime", ""),
    ("quotedFileContent", "*"),
    ("replies", "Reply"),
    ("resolved", ""),
];

const COMMENTLIST: &[(&str, &str)] = &[("comments", "Comment"), ("kind", ""), ("nextPageToken", "")];

const REPLY: &[(&str, &str)] = &[
    ("action", ""),
    ("assigneeEmailAddress", ""),
    ("author", "User"),
    ("content", ""),
    ("createdTime", ""),
    ("deleted", ""),
    ("htmlContent", ""),
    ("id", ""),
    ("kind", ""),
    ("mentionedEmailAddresses", ""),
    ("modifiedTime", ""),
];

const DRIVE: &[(&str, &str)] = &[
    ("backgroundImageFile", "*"),
    ("backgroundImageLink", ""),
    ("capabilities", "*"),
    ("colorRgb", ""),
    ("createdTime", ""),
    ("hidden", ""),
    ("id", ""),
    ("kind", ""),
    ("name", ""),
    ("orgUnitId", ""),
    ("restrictions", "*"),
    ("themeId", ""),
];

const DRIVELIST: &[(&str, &str)] = &[("drives", "Drive"), ("kind", ""), ("nextPageToken", "")];

const ABOUT: &[(&str, &str)] = &[
    ("appInstalled", ""),
    ("canCreateDrives", ""),
    ("canCreateTeamDrives", ""),
    ("driveThemes", "*"),
    ("exportFormats", "*"),
    ("folderColorPalette", ""),
    ("importFormats", "*"),
    ("kind", ""),
    ("maxImportSizes", "*"),
    ("maxUploadSize", ""),
    ("storageQuota", "*"),
    ("teamDriveThemes", "*"),
    ("user", "User"),
];

const USER: &[(&str, &str)] =
    &[("displayName", ""), ("emailAddress", ""), ("kind", ""), ("me", ""), ("permissionId", ""), ("photoLink", "")];
