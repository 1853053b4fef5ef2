//! What is read of SARIF's objects. Nearly all of it may be missing, or null.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Null as what is missing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Of a list of a result so many are kept, which is more than is used of any.
const LIST_MAX: usize = 101;

/// Of a rule's messages, or a result's fingerprints, so many are kept.
const ENTRIES_MAX: usize = 1000;

/// A tool may have so many rules, or plugins. Beyond, the report is refused.
const RULES_MAX: usize = 50_000;

/// The first of a list, or null. An empty object is three bytes of a report and hundreds in memory.
fn first<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_option(List { max: LIST_MAX, beyond: Beyond::Ignored, of: PhantomData })
}

/// A list that has to be whole, or null.
fn whole<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_option(List { max: RULES_MAX, beyond: Beyond::Refused, of: PhantomData })
}

#[derive(PartialEq, Eq)]
enum Beyond {
    Ignored,
    Refused,
}

struct List<T> {
    max: usize,
    beyond: Beyond,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_none<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < self.max {
            match list.next_element()? {
                Some(element) => kept.push(element),
                None => return Ok(kept),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            if self.beyond == Beyond::Refused {
                return Err(serde::de::Error::custom(format!("a list of more than {}", self.max)));
            }
        }
        Ok(kept)
    }
}

/// The first entries of an object, or null.
fn entries<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error> {
    deserializer.deserialize_option(Entries(PhantomData))
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<BTreeMap<String, T>, E> {
        Ok(BTreeMap::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<BTreeMap<String, T>, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<BTreeMap<String, T>, A::Error> {
        let mut kept = BTreeMap::new();
        while kept.len() < ENTRIES_MAX {
            match object.next_entry()? {
                Some((key, value)) => drop(kept.insert(key, value)),
                None => return Ok(kept),
            }
        }
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(kept)
    }
}

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$with:meta])* $field:ident: $kind:ty = $how:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default, Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub(super) struct $name {
                $(#[serde(default, deserialize_with = $how)] $(#[$with])* pub(super) $field: $kind,)*
            }
        )*
    };
}

objects! {
    /// 3.27
    ResultObject {
        rule_id: Option<String> = "or_default",
        rule_index: Option<i64> = "or_default",
        rule: Option<Reference> = "or_default",
        kind: Option<String> = "or_default",
        level: Option<String> = "or_default",
        message: Message = "or_default",
        locations: Vec<Location> = "first",
        related_locations: Vec<Location> = "first",
        suppressions: Vec<Suppression> = "first",
        baseline_state: Option<String> = "or_default",
        fingerprints: BTreeMap<String, String> = "entries",
        partial_fingerprints: BTreeMap<String, String> = "entries",
        fixes: Vec<Fix> = "first",
        taxa: Vec<Reference> = "first",
        provenance: Option<Provenance> = "or_default",
    }

    /// 3.48
    Provenance {
        invocation_index: Option<i64> = "or_default",
    }

    /// 3.52: of a rule, a taxon or a notification.
    Reference {
        id: Option<String> = "or_default",
        index: Option<i64> = "or_default",
        tool_component: Option<Component> = "or_default",
    }

    /// 3.54
    Component {
        name: Option<String> = "or_default",
        index: Option<i64> = "or_default",
    }

    /// 3.11; also a multi-format message string.
    Message {
        text: Option<String> = "or_default",
        markdown: Option<String> = "or_default",
        id: Option<String> = "or_default",
        arguments: Vec<String> = "first",
    }

    /// 3.28
    Location {
        physical_location: Option<PhysicalLocation> = "or_default",
        message: Option<Message> = "or_default",
    }

    /// 3.29
    PhysicalLocation {
        artifact_location: Option<ArtifactLocation> = "or_default",
        region: Option<Region> = "or_default",
    }

    /// 3.4
    ArtifactLocation {
        uri: Option<String> = "or_default",
        uri_base_id: Option<String> = "or_default",
        index: Option<i64> = "or_default",
    }

    /// 3.30
    Region {
        start_line: Option<i64> = "or_default",
        start_column: Option<i64> = "or_default",
        end_line: Option<i64> = "or_default",
        end_column: Option<i64> = "or_default",
    }

    /// 3.35
    Suppression {
        #[serde(alias = "state")]
        status: Option<String> = "or_default",
        justification: Option<String> = "or_default",
    }

    /// 3.55
    Fix {
        description: Option<Message> = "or_default",
        artifact_changes: Vec<ArtifactChange> = "first",
    }

    /// 3.56
    ArtifactChange {
        artifact_location: ArtifactLocation = "or_default",
        replacements: Vec<Replacement> = "first",
    }

    /// 3.57
    Replacement {
        deleted_region: Region = "or_default",
        inserted_content: Option<Message> = "or_default",
    }

    /// 3.18
    Tool {
        driver: Driver = "or_default",
        extensions: Vec<Driver> = "whole",
    }

    /// 3.19
    Driver {
        name: Option<String> = "or_default",
        rules: Vec<Descriptor> = "whole",
        global_message_strings: BTreeMap<String, Message> = "entries",
    }

    /// 3.49
    Descriptor {
        id: Option<String> = "or_default",
        name: Option<String> = "or_default",
        short_description: Option<Message> = "or_default",
        full_description: Option<Message> = "or_default",
        help_uri: Option<String> = "or_default",
        help: Option<Message> = "or_default",
        relationships: Vec<Relationship> = "first",
        message_strings: BTreeMap<String, Message> = "entries",
        default_configuration: Option<Configuration> = "or_default",
        properties: Option<Properties> = "or_default",
    }

    /// 3.53: of a rule, with what it is filed under.
    Relationship {
        target: Reference = "or_default",
    }

    /// 3.19.3: a catalogue.
    Taxonomy {
        name: Option<String> = "or_default",
        taxa: Vec<Taxon> = "whole",
    }

    /// 3.49
    Taxon {
        id: Option<String> = "or_default",
    }

    /// 3.50
    Configuration {
        level: Option<String> = "or_default",
    }

    /// What GitHub reads of a rule's properties.
    Properties {
        tags: Vec<String> = "first",
        #[serde(rename = "security-severity")]
        security_severity: Option<serde_json::Value> = "or_default",
    }

    /// 3.24
    Artifact {
        location: Option<ArtifactLocation> = "or_default",
    }

    /// 3.20
    Invocation {
        execution_successful: Option<bool> = "or_default",
        exit_code_description: Option<String> = "or_default",
        tool_execution_notifications: Vec<Notification> = "first",
        tool_configuration_notifications: Vec<Notification> = "first",
        rule_configuration_overrides: Vec<Override> = "whole",
    }

    /// 3.51: how a rule was configured for this invocation.
    Override {
        descriptor: Reference = "or_default",
        configuration: Configuration = "or_default",
    }

    /// 3.58
    Notification {
        level: Option<String> = "or_default",
        message: Message = "or_default",
    }
}
