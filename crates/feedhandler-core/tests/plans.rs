//! The shipped protocols compile: `tests/plans/` holds them as the Python loader hands them over.

use feedhandler_core::plan::Plan;

/// Name of the protocol, its specification, its number of tables, and the codes of its messages.
const PLANS: [(&str, &str, usize, &str); 12] = [
    ("itch50", include_str!("plans/itch50.json"), 23, "S R H Y L V W K J h A F E C X D U P Q B I N O"),
    ("iex-tops", include_str!("plans/iex-tops.json"), 11, "S D H I O P Q T X B A"),
    ("iex-deep", include_str!("plans/iex-deep.json"), 12, "S D H I O P E 8 5 T X B A"),
    ("iex-deep-plus", include_str!("plans/iex-deep-plus.json"), 14, "S D H I O P E a M R L T B C"),
    (
        "nyse-xdp",
        include_str!("plans/nyse-xdp.json"),
        25,
        "1 2 3 10 11 12 13 15 31 32 34 35 100 101 102 103 104 105 106 110 111 112 113 114 223",
    ),
    (
        "cboe-pitch",
        include_str!("plans/cboe-pitch.json"),
        40,
        "1 2 3 4 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 128 129 130 131 149 150 151 152 157 158 173 174 175 177 188 \
         189 209 210",
    ),
    ("nasdaq-bbo", include_str!("plans/nasdaq-bbo.json"), 11, "S R H Y V W K h Q A N"),
    ("nasdaq-nls-plus", include_str!("plans/nasdaq-nls-plus.json"), 14, "S R H Y V W k h e o b g p i"),
    ("cme-mdp3", include_str!("plans/cme-mdp3.json"), 5, "3 4 7"),
    ("everything", include_str!("plans/everything.json"), 7, "300 2 65535"),
    ("msgpack", include_str!("plans/msgpack.json"), 7, "1 2 3 4 5 6 7"),
    ("crypto_trades", include_str!("plans/crypto_trades.json"), 2, "trade ticker"),
];

#[test]
fn every_shipped_protocol_compiles() {
    for (name, json, tables, codes) in PLANS {
        let plan = Plan::from_json(json.as_bytes()).expect(name);

        assert_eq!((plan.name.as_str(), plan.tables.len()), (name, tables));
        let found: Vec<_> = plan.codes.iter().map(|code| code.text.as_str()).collect();
        assert_eq!(found.join(" "), codes);
        assert_eq!(plan.file.is_some(), name == "itch50");
    }
}

/// Why a plan cannot be made of a shipped one with a part of its JSON replaced.
fn refused(name: &str, part: &str, by: &str) -> String {
    let json = PLANS.iter().find(|plan| plan.0 == name).expect(name).1;
    assert!(json.contains(part), "{part}");
    Plan::from_json(json.replacen(part, by, 1).as_bytes()).expect_err(by).to_string()
}

#[test]
fn what_would_lead_nowhere_is_refused() {
    let empty = r#""codes": [], "length": 0, "min_length": 0, "fields": []"#;
    let json = format!(
        r#"{{"name": "m", "file": null,
            "framing": {{"name": "none", "header": {{"kind": "none"}}, "counts": "nothing", "first_sequence": 1,
                         "delimiter": {{"kind": "whole"}}}},
            "messages": {{"encoding": "binary", "code": null, "messages": [{{"name": "nothing", {empty}}}]}}}}"#
    );
    let error = Plan::from_json(json.as_bytes()).expect_err("a message of no bytes").to_string();
    assert!(error.starts_with("nothing: a message has at least a byte"), "{error}");

    let by_type = r#""file": {"field": {"offset": 0, "width": 2, "byte_order": "big"}, "excludes": 2,
                              "data_offset": 2, "zero_length_by_type": true}"#;
    let error = refused("msgpack", r#""file": null"#, by_type);
    assert!(error.starts_with("file: the type of a msgpack message"), "{error}");
}

#[test]
fn an_unknown_key_is_refused() {
    let json = PLANS[0].1.replacen("\"name\"", "\"surname\"", 1);

    let error = Plan::from_json(json.as_bytes()).expect_err("a key that the specification does not have");

    assert!(error.what.contains("surname"), "{error}");
}
