//! How filters and orders of a list reach the provider.

use super::read::Node;
use crate::query::{Operator, params::Parameter};

/// How an element turns a uniform filter into its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// SOQL conditions.
    Soql,
    /// A JSON `filterGroups` list: OR of ANDs.
    FilterGroups,
    /// An OData v4 `$filter`.
    Odata,
    /// SQL-like conditions joined by AND, and nothing else.
    Flat,
    /// COQL conditions.
    Coql,
    /// A JSON tree of conditions.
    ConditionTree,
    /// Query parameters, by name.
    Parameters,
    /// Infix conditions: `name contains 'x' and modifiedTime > '2020-01-31T00:00:00'`.
    Infix,
    /// Nothing is pushed down.
    None,
}

impl Language {
    /// Its word in mapping files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Soql => "soql",
            Self::FilterGroups => "filterGroups",
            Self::Odata => "odata",
            Self::Flat => "flat",
            Self::Coql => "coql",
            Self::ConditionTree => "conditionTree",
            Self::Parameters => "parameters",
            Self::Infix => "infix",
            Self::None => "none",
        }
    }
}

/// What happens to a filter (or an order) that cannot be pushed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It is applied here, over at most `max` records.
    Local {
        /// The bound.
        max: u64,
    },
    /// The call is refused with a 400.
    Refuse,
}

/// How filters and orders reach the provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtering {
    /// The language.
    pub language: Language,
    /// The operators it takes, as written in `where`; empty: all of the language.
    pub operators: Vec<String>,
    /// What happens to the rest.
    pub otherwise: Otherwise,
    /// A condition in the provider's own names that always holds.
    pub fixed: Option<String>,
    /// The provider's names that it filters by; empty: all.
    pub columns: Vec<String>,
    /// Whether the provider orders.
    pub orders: bool,
    /// The provider's names that it orders by; empty: all.
    pub order_columns: Vec<String>,
    /// Whether the texts of `IN` lists have to be in lower case, for providers that compare them so.
    pub lowercase_lists: bool,
    /// The object a tree of conditions is about.
    pub object: String,
    /// Columns that such a tree compares whole.
    pub terms: Vec<String>,
    /// What the query parameters mean.
    pub parameters: Vec<Parameter>,
}

impl Default for Filtering {
    /// Nothing is pushed down; the gateway filters and orders.
    fn default() -> Self {
        Self {
            language: Language::None,
            operators: Vec::new(),
            otherwise: Otherwise::Local { max: LOCAL_LIMIT },
            fixed: None,
            columns: Vec::new(),
            orders: false,
            order_columns: Vec::new(),
            lowercase_lists: false,
            object: String::new(),
            terms: Vec::new(),
            parameters: Vec::new(),
        }
    }
}

/// How many records the gateway filters for one page when the file names no bound.
const LOCAL_LIMIT: u64 = 10_000;

/// Reads a `filtering` block over the element's default.
pub(super) fn read_filtering(node: &Node<'_>, default: Option<&Filtering>) -> Option<Filtering> {
    node.object(&[
        "language",
        "operators",
        "columns",
        "otherwise",
        "max",
        "fixed",
        "orders",
        "lowercaseLists",
        "object",
        "terms",
        "parameters",
    ])?;
    let language = match node.get("language") {
        Some(place) => place.word(&[
            ("soql", Language::Soql),
            ("filterGroups", Language::FilterGroups),
            ("odata", Language::Odata),
            ("flat", Language::Flat),
            ("coql", Language::Coql),
            ("conditionTree", Language::ConditionTree),
            ("parameters", Language::Parameters),
            ("infix", Language::Infix),
            ("none", Language::None),
        ])?,
        None => default.map_or(Language::None, |default| default.language),
    };
    let max = node.opt_number("max").unwrap_or(LOCAL_LIMIT);
    let otherwise = match node.get("otherwise") {
        Some(place) => place.word(&[("local", Otherwise::Local { max }), ("refuse", Otherwise::Refuse)])?,
        None => default.map_or(Otherwise::Local { max }, |default| default.otherwise),
    };
    let mut terms = node.texts("terms");
    if terms.is_empty()
        && let Some(default) = default
    {
        terms.clone_from(&default.terms);
    }
    let parameters = match node.get("parameters") {
        Some(place) => {
            place.members().into_iter().filter_map(|(condition, name)| read_parameter(condition, &name)).collect()
        }
        None => default.map_or_else(Vec::new, |default| default.parameters.clone()),
    };
    let mut operators = node.texts("operators");
    if operators.is_empty()
        && let Some(default) = default
    {
        operators.clone_from(&default.operators);
    }
    let names = |key: &str, inherited: &dyn Fn(&Filtering) -> &Vec<String>| match node.get(key) {
        Some(place) if place.value.is_array() => node.texts(key),
        Some(_) => Vec::new(),
        None => default.map_or_else(Vec::new, |default| inherited(default).clone()),
    };
    Some(Filtering {
        language,
        operators,
        otherwise,
        fixed: node.opt_text("fixed").or_else(|| default.and_then(|default| default.fixed.clone())),
        columns: names("columns", &|default| &default.columns),
        orders: match node.get("orders") {
            Some(place) if place.value.is_array() => true,
            _ => node.flag("orders", default.is_some_and(|default| default.orders)),
        },
        order_columns: names("orders", &|default| &default.order_columns),
        lowercase_lists: node.flag("lowercaseLists", default.is_some_and(|default| default.lowercase_lists)),
        object: node.opt_text("object").or_else(|| default.map(|default| default.object.clone())).unwrap_or_default(),
        terms,
        parameters,
    })
}

/// Reads what a query parameter means: a column, and an operator after it (`=` when there is none).
fn read_parameter(condition: &str, name: &Node<'_>) -> Option<Parameter> {
    let (column, operator) = condition.split_once(' ').unwrap_or((condition, "="));
    let Some(operator) = Operator::parse(operator.trim()) else {
        name.problem_hint(format!("`{operator}` is not an operator"), "write it like `modified >=`");
        return None;
    };
    Some(Parameter { column: column.to_owned(), operator, name: name.text()?.to_owned() })
}
