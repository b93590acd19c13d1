//! The template miner as its users see it.
#![expect(clippy::unwrap_used, reason = "tests")]

use hark_detect::template::{Config, Kind, Miner, TemplateId};
use proptest::prelude::*;

fn miner() -> Miner {
    Miner::new(Config::default())
}

/// Mines the lines and gives, for each, the text of the template that it has in the end.
fn texts(lines: &[&str]) -> Vec<String> {
    let mut miner = miner();
    let ids: Vec<_> = lines.iter().map(|line| miner.push(line).template).collect();
    let text = |id| miner.text(id).unwrap().to_owned();
    ids.into_iter().map(text).collect()
}

fn all_equal(texts: &[String]) -> bool {
    texts.windows(2).all(|two| two[0] == two[1])
}

#[test]
fn a_word_that_varies_becomes_a_wildcard_and_the_oldest_number_stays() {
    let mut miner = miner();
    let line = |user| format!("session opened for user {user} by (uid=0)");
    let ids = ["root", "alice", "bob"].map(|user| miner.push(&line(user)).template);
    assert_eq!(miner.len(), 1);
    assert!(ids.iter().all(|&id| miner.current(id) == ids[0]));
    assert_eq!(
        miner.text(ids[1]),
        Some("session opened for user <*> by (uid=<*>)")
    );
    assert_eq!(miner.seen(ids[0]), 3);
    let mined = miner.push(&line("mallory"));
    assert!(!mined.new);
    assert_eq!(mined.template, ids[0]);
}

#[test]
fn two_words_are_no_variable() {
    let texts = texts(&[
        "component is in the available state",
        "component is in the unavailable state",
        "component is in the available state",
    ]);
    assert_ne!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
}

#[test]
fn verbs_tell_messages_apart() {
    let verbs = [
        "opened", "closed", "dropped", "reset", "refused", "accepted",
    ];
    let lines = verbs.map(|verb| format!("the connection was {verb} by the peer"));
    let texts = texts(&lines.each_ref().map(String::as_str));
    assert!(texts.iter().all(|text| !text.contains("<*>")), "{texts:?}");
}

#[test]
fn names_that_vary_together_are_wildcards() {
    let pairs = [
        ("alice", "venus"),
        ("bob", "mars"),
        ("carol", "pluto"),
        ("dave", "saturn"),
    ];
    let lines =
        pairs.map(|(user, host)| format!("rejected login for user {user} from host {host} today"));
    let texts = texts(&lines.each_ref().map(String::as_str));
    assert!(all_equal(&texts), "{texts:?}");
    assert_eq!(texts[0], "rejected login for user <*> from host <*> today");
}

#[test]
fn a_call_in_the_place_of_a_variable_is_one() {
    let address = "synchronized to 10.0.0.1, stratum 3";
    let local = "synchronized to LOCAL(0), stratum 10";
    for lines in [[address, local], [local, address]] {
        let texts = texts(&lines);
        assert!(all_equal(&texts), "{texts:?}");
        assert_eq!(texts[0], "synchronized to <*>, stratum <*>");
    }
}

#[test]
fn lists_of_any_length_are_one_variable() {
    let texts = texts(&[
        "cannot resolve source name a1",
        "cannot resolve source name a1 b2 c3",
        "cannot resolve source name a1 b2",
    ]);
    assert!(all_equal(&texts), "{texts:?}");
    assert_eq!(texts[0], "cannot resolve source name <*>");
}

#[test]
fn parameters_are_where_the_wildcards_are() {
    let mut miner = miner();
    let line = |user| format!("  login of user {user} from 10.0.0.7:22 took 5 ms");
    for user in ["alice", "bob", "carol"] {
        miner.push(&line(user));
    }
    let line = line("dave");
    miner.push(&line);
    let found: Vec<_> = miner
        .variables()
        .iter()
        .map(|parameter| &line[parameter.start as usize..parameter.end as usize])
        .collect();
    assert_eq!(found, ["dave", "10.0.0.7:22", "5 ms"]);
    let kinds: Vec<_> = miner
        .variables()
        .iter()
        .map(|parameter| parameter.kind)
        .collect();
    assert_eq!(kinds, [Kind::Word, Kind::Address, Kind::Number]);
}

#[test]
fn a_compound_is_one_parameter() {
    let mut miner = miner();
    miner.push("synchronized to 10.0.0.1, stratum 3");
    let line = "synchronized to LOCAL(0), stratum 10";
    miner.push(line);
    let found: Vec<_> = miner
        .variables()
        .iter()
        .map(|parameter| &line[parameter.start as usize..parameter.end as usize])
        .collect();
    assert_eq!(found, ["LOCAL(0)", "10"]);
}

#[test]
fn what_follows_the_first_line_makes_no_difference() {
    let texts = texts(&[
        "handler failed\n  at main.rs:10",
        "\n handler failed\n  at other\n  at main",
    ]);
    assert_eq!(texts, ["handler failed", "handler failed"]);
}

#[test]
fn forgotten_templates_are_counted_and_their_numbers_not_given_again() {
    let mut miner = Miner::new(Config {
        max_templates: 32,
        ..Config::default()
    });
    let word = |number: u32| -> String {
        (0..6)
            .map(|digit| char::from(b'a' + (number >> (3 * digit) & 7) as u8))
            .collect()
    };
    let mut highest = 0;
    for number in 0..2000 {
        let mined = miner.push(&format!("{} {}", word(number * 7), word(number * 13 + 5)));
        assert!(mined.new);
        assert!(mined.template > highest);
        highest = mined.template;
        assert!(miner.len() <= 32);
    }
    let stats = miner.stats();
    assert_eq!(stats.forgotten as usize, 2000 - miner.len());
    assert_eq!(miner.text(1), None);
}

#[test]
fn the_template_seen_last_is_kept() {
    let mut miner = Miner::new(Config {
        max_templates: 16,
        ..Config::default()
    });
    let kept = miner.push("heart beats").template;
    for number in 0..100_u8 {
        let letters = [number / 26 + b'a', number % 26 + b'a'].map(char::from);
        miner.push(&format!("{}{}x {}", letters[0], letters[1], letters[1]));
        assert_eq!(miner.push("heart beats").template, kept);
    }
}

fn line() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "user",
        "from",
        "to",
        "alice",
        "bob",
        "carol",
        "dave",
        "opened",
        "closed",
        "failed",
        "id",
        "1",
        "22",
        "0xff",
        "10.0.0.1",
        "/a/b",
        "a.example.org",
        "x=",
        "=y",
        "k=v",
        "(",
        ")",
        "()",
        "[3]",
        "f(1)",
        ",",
        ":",
        "\"",
        "'q'",
        "...",
        "....",
        "-",
        "KB",
        "Jun",
        "é",
        "a1",
        "b2",
        "::1",
    ]);
    let gap = prop::sample::select(vec![" ", " ", " ", "", "\t", "  "]);
    prop::collection::vec((word, gap), 0..14).prop_map(|parts| {
        parts
            .into_iter()
            .flat_map(|(word, gap)| [word, gap])
            .collect()
    })
}

proptest! {
    #[test]
    fn any_text_has_a_template(texts in prop::collection::vec(any::<String>(), 1..40)) {
        let mut miner = Miner::new(Config { max_templates: 16, max_line: 64, max_tokens: 8, ..Config::default() });
        for text in &texts {
            let mined = miner.push(text);
            prop_assert!(miner.text(mined.template).is_some());
            for parameter in miner.variables() {
                prop_assert!(text.get(parameter.start as usize..parameter.end as usize).is_some());
            }
        }
    }

    #[test]
    fn each_wildcard_has_its_parameter(lines in prop::collection::vec(line(), 1..60)) {
        let mut miner = miner();
        for line in &lines {
            let mined = miner.push(line);
            let text = miner.text(mined.template).unwrap();
            prop_assert_eq!(miner.variables().len(), text.matches("<*>").count(), "{} | {}", line, text);
            let mut last = 0;
            for parameter in miner.variables() {
                prop_assert!(parameter.start >= last && parameter.end >= parameter.start, "{}", line);
                last = parameter.start;
                prop_assert!(line.get(parameter.start as usize..parameter.end as usize).is_some());
            }
        }
    }

    #[test]
    fn a_miner_read_back_goes_on_with_the_same_numbers(
        lines in prop::collection::vec(line(), 2..80),
        bound in 16..40_usize,
    ) {
        let mut miner = Miner::new(Config { max_templates: bound, ..Config::default() });
        let (before, after) = lines.split_at(lines.len() / 2);
        for line in before {
            miner.push(line);
        }
        let bytes = postcard::to_stdvec(&miner).unwrap();
        let mut twin: Miner = postcard::from_bytes(&bytes).unwrap();
        for line in after {
            prop_assert_eq!(miner.push(line), twin.push(line), "{}", line);
            prop_assert_eq!(miner.variables(), twin.variables());
        }
        let all = |miner: &Miner| -> Vec<(TemplateId, String, u64)> {
            miner.templates().map(|(id, text, lines)| (id, text.to_owned(), lines)).collect()
        };
        prop_assert_eq!(all(&miner), all(&twin));
    }

    #[test]
    fn a_line_keeps_its_template(lines in prop::collection::vec(line(), 1..60)) {
        let mut miner = miner();
        let ids: Vec<_> = lines.iter().map(|line| miner.push(line).template).collect();
        for (line, id) in lines.iter().zip(ids) {
            let mined = miner.push(line);
            prop_assert!(!mined.new);
            prop_assert_eq!(miner.current(mined.template), miner.current(id), "{}", line);
        }
    }

    #[test]
    fn no_checkpoint_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), lines in prop::collection::vec(line(), 0..20)) {
        if let Ok(mut miner) = postcard::from_bytes::<Miner>(&bytes) {
            for line in &lines {
                let mined = miner.push(line);
                prop_assert!(miner.text(mined.template).is_some());
            }
        }
    }
}
