//! What is read of SARIF's objects. Nearly all of it may be missing, or null.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Null as what is missing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$with:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default, Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub(super) struct $name {
                $(#[serde(default, deserialize_with = "or_default")] $(#[$with])* pub(super) $field: $kind,)*
            }
        )*
    };
}

objects! {
    /// 3.27
    ResultObject {
        rule_id: Option<String>,
        rule_index: Option<i64>,
        rule: Option<Reference>,
        kind: Option<String>,
        level: Option<String>,
        message: Message,
        locations: Vec<Location>,
        related_locations: Vec<Location>,
        suppressions: Vec<Suppression>,
        baseline_state: Option<String>,
        fingerprints: BTreeMap<String, String>,
        partial_fingerprints: BTreeMap<String, String>,
        fixes: Vec<Fix>,
        taxa: Vec<Reference>,
    }

    /// 3.52: of a rule, a taxon or a notification.
    Reference {
        id: Option<String>,
        index: Option<i64>,
        tool_component: Option<Component>,
    }

    /// 3.54
    Component {
        name: Option<String>,
        index: Option<i64>,
    }

    /// 3.11; also a multi-format message string.
    Message {
        text: Option<String>,
        markdown: Option<String>,
        id: Option<String>,
        arguments: Vec<String>,
    }

    /// 3.28
    Location {
        physical_location: Option<PhysicalLocation>,
        message: Option<Message>,
    }

    /// 3.29
    PhysicalLocation {
        artifact_location: Option<ArtifactLocation>,
        region: Option<Region>,
    }

    /// 3.4
    ArtifactLocation {
        uri: Option<String>,
        uri_base_id: Option<String>,
        index: Option<i64>,
    }

    /// 3.30
    Region {
        start_line: Option<i64>,
        start_column: Option<i64>,
        end_line: Option<i64>,
        end_column: Option<i64>,
    }

    /// 3.35
    Suppression {
        #[serde(alias = "state")]
        status: Option<String>,
        justification: Option<String>,
    }

    /// 3.55
    Fix {
        description: Option<Message>,
        artifact_changes: Vec<ArtifactChange>,
    }

    /// 3.56
    ArtifactChange {
        artifact_location: ArtifactLocation,
        replacements: Vec<Replacement>,
    }

    /// 3.57
    Replacement {
        deleted_region: Region,
        inserted_content: Option<Message>,
    }

    /// 3.18
    Tool {
        driver: Driver,
        extensions: Vec<Driver>,
    }

    /// 3.19
    Driver {
        name: Option<String>,
        rules: Vec<Descriptor>,
        global_message_strings: BTreeMap<String, Message>,
    }

    /// 3.49
    Descriptor {
        id: Option<String>,
        name: Option<String>,
        short_description: Option<Message>,
        full_description: Option<Message>,
        help_uri: Option<String>,
        message_strings: BTreeMap<String, Message>,
        default_configuration: Option<Configuration>,
        properties: Option<Properties>,
    }

    /// 3.50
    Configuration {
        level: Option<String>,
    }

    /// What GitHub reads of a rule's properties.
    Properties {
        tags: Vec<String>,
        #[serde(rename = "security-severity")]
        security_severity: Option<serde_json::Value>,
    }

    /// 3.24
    Artifact {
        location: Option<ArtifactLocation>,
    }

    /// 3.20
    Invocation {
        execution_successful: Option<bool>,
        exit_code_description: Option<String>,
        tool_execution_notifications: Vec<Notification>,
        tool_configuration_notifications: Vec<Notification>,
    }

    /// 3.58
    Notification {
        level: Option<String>,
        message: Message,
    }
}
