use hark_api::Filter;
use hark_api::filter::Record as _;
use proptest::prelude::*;

use super::*;
use crate::hot::HotRow;
use crate::samples;

fn rows(hot: &HotRow) -> Vec<Row<'_>> {
    hot.rows().collect::<Read<_>>().expect("rows")
}

fn sealed(events: &[Event]) -> Sealed {
    let hot = HotRow::encode(events).expect("events");
    seal(&rows(&hot), &mut Codec::new().expect("zstd")).expect("sealed")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_come_back(events in samples::events(1..60)) {
        let sealed = sealed(&events);
        let block = Block::open(&sealed.data).expect("a block");
        prop_assert_eq!(block.len(), events.len());
        for (i, event) in events.iter().enumerate() {
            prop_assert_eq!(&block.event(i).expect("an event"), event);
        }
        let head = Head::from_bytes(&sealed.head.to_bytes());
        prop_assert_eq!(head, Ok(sealed.head));
    }

    /// A search may look at a block in vain; it must not pass over one that has what it seeks.
    #[test]
    fn no_block_is_skipped_that_has_a_match(
        events in samples::events(1..20),
        filter in samples::filter(),
    ) {
        let filter = Filter::parse_at(&filter, Timestamp::from_nanos(0)).expect("a filter");
        let sealed = sealed(&events);
        let tokens = Tokens::new(&sealed.tokens);
        let may = possible(filter.expr(), Known { head: &sealed.head, tokens });
        prop_assert!(may || !events.iter().any(|event| filter.matches(event)));
    }

    /// Events, rows and blocks give one answer.
    #[test]
    fn filters_see_the_same_in_every_form(
        events in samples::events(1..20),
        filter in samples::filter(),
    ) {
        let filter = Filter::parse_at(&filter, Timestamp::from_nanos(0)).expect("a filter");
        let hot = HotRow::encode(&events).expect("events");
        let sealed = sealed(&events);
        let block = Block::open(&sealed.data).expect("a block");
        for (i, (event, row)) in events.iter().zip(rows(&hot)).enumerate() {
            let view = View { block: &block, i };
            prop_assert_eq!(filter.matches(event), filter.matches(&row));
            prop_assert_eq!(filter.matches(event), filter.matches(&view));
            prop_assert_eq!(event.reasons(), view.reasons());
        }
    }

    #[test]
    fn a_changed_byte_is_noticed(
        events in samples::events(1..20),
        at: prop::sample::Index,
        bit in 0u32..8,
    ) {
        let mut sealed = sealed(&events);
        let at = at.index(sealed.data.len());
        sealed.data[at] ^= 1u8 << bit;
        prop_assert!(Block::open(&sealed.data).is_err());
    }

    /// The checksum keeps accidents away; what has the right one must still not panic.
    #[test]
    fn no_bytes_make_it_panic(
        events in samples::events(1..20),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut sealed = sealed(&events);
        for (at, byte) in changes {
            let at = at.index(sealed.data.len());
            sealed.data[at] = byte;
        }
        read_all(&sealed.data[..sealed.data.len() - 8]);
    }
}
