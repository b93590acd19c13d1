//! Reads the kernel's type information (BTF), <https://docs.kernel.org/bpf/btf.html>, as far as
//! offsets of struct members, types of tracepoint arguments and values of enums need it.

use std::collections::HashMap;

/// The bytes are no BTF that can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// They do not begin like BTF of this machine's byte order.
    #[error("no BTF header")]
    Header,
    /// They end too early.
    #[error("truncated at byte {0}")]
    Truncated(usize),
    /// A type has a kind that is not known, so that its length is not either.
    #[error("type {id} has the unknown kind {kind}")]
    Kind {
        /// Number of the type.
        id: usize,
        /// What it says to be.
        kind: u32,
    },
}

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// How deep embedded structs and chains of typedefs are followed; the kernel's are far shallower.
const MAX_DEPTH: usize = 32;

/// The types of a kernel.
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins in `types`; type 0 is `void` and has no place.
    places: Vec<u32>,
    layouts: HashMap<&'a [u8], u32>,
    tracepoints: HashMap<&'a [u8], u32>,
    enums: HashMap<&'a [u8], u32>,
}

/// One type's fixed part.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    info: u32,
    /// Size in bytes, or the type that it refers to.
    size_or_target: u32,
    /// Where its variable part begins.
    rest: usize,
}

impl Type {
    const fn kind(self) -> u32 {
        (self.info >> 24) & 0x1f
    }

    const fn len(self) -> usize {
        (self.info & 0xffff) as usize
    }

    /// Whether member offsets carry the size of bit fields in their top byte.
    const fn has_bit_fields(self) -> bool {
        self.info >> 31 == 1
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

impl<'a> Btf<'a> {
    /// Finds the types in the bytes of `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// If the bytes are no BTF, or end too early.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let magic = bytes.get(..2).ok_or(BtfError::Header)?;
        if magic != 0xeb9f_u16.to_ne_bytes() {
            return Err(BtfError::Header);
        }
        let word = |at| {
            u32_at(bytes, at)
                .map(|n| n as usize)
                .ok_or(BtfError::Header)
        };
        let header = word(4)?;
        let section = |offset: usize, len: usize| {
            let start = header.checked_add(offset).ok_or(BtfError::Header)?;
            let end = start.checked_add(len).ok_or(BtfError::Header)?;
            bytes
                .get(start..end)
                .ok_or(BtfError::Truncated(bytes.len()))
        };
        let types = section(word(8)?, word(12)?)?;
        let strings = section(word(16)?, word(20)?)?;
        let mut btf = Self {
            types,
            strings,
            places: vec![0],
            layouts: HashMap::new(),
            tracepoints: HashMap::new(),
            enums: HashMap::new(),
        };
        let mut at = 0;
        while at < types.len() {
            let id = btf.places.len();
            let ty = btf.type_at(at).ok_or(BtfError::Truncated(at))?;
            let rest = match ty.kind() {
                PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
                INT | VAR | DECL_TAG => 4,
                ARRAY => 12,
                STRUCT | UNION | DATASEC | ENUM64 => 12 * ty.len(),
                ENUM | FUNC_PROTO => 8 * ty.len(),
                kind => return Err(BtfError::Kind { id, kind }),
            };
            let by_name = match ty.kind() {
                STRUCT => Some(&mut btf.layouts),
                TYPEDEF => Some(&mut btf.tracepoints),
                ENUM => Some(&mut btf.enums),
                _ => None,
            };
            if let Some(by_name) = by_name {
                let mut name = name_at(strings, ty.name);
                if ty.kind() == TYPEDEF {
                    // Of typedefs, only those are of interest that name a tracepoint's prototype.
                    name = name.strip_prefix(b"btf_trace_").unwrap_or_default();
                }
                if !name.is_empty() {
                    // The first of two wins, as it does in libbpf.
                    by_name.entry(name).or_insert(id as u32);
                }
            }
            btf.places.push(at as u32);
            at = ty.rest + rest;
        }
        if at > types.len() {
            return Err(BtfError::Truncated(types.len()));
        }
        Ok(btf)
    }

    fn type_at(&self, at: usize) -> Option<Type> {
        Some(Type {
            name: u32_at(self.types, at)?,
            info: u32_at(self.types, at + 4)?,
            size_or_target: u32_at(self.types, at + 8)?,
            rest: at + 12,
        })
    }

    fn type_by_id(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.type_at(*self.places.get(id as usize)? as usize)
    }

    /// Follows typedefs and qualifiers to what they name.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_DEPTH {
            let ty = self.type_by_id(id)?;
            match ty.kind() {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = ty.size_or_target,
                _ => return Some(ty),
            }
        }
        None
    }

    /// Offset in bytes of a member of a struct. `path` may lead through embedded structs, as in
    /// `ns.inum`; anonymous structs and unions are looked into.
    pub(crate) fn member_offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut ty = self.type_by_id(*self.layouts.get(structure.as_bytes())?)?;
        let mut bits = 0_u32;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let (offset, id) = self.find_member(ty, name.as_bytes(), 0)?;
            bits = bits.checked_add(offset)?;
            if names.peek().is_some() {
                ty = self.resolve(id)?;
            }
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Offset in bits and type of a member.
    fn find_member(&self, ty: Type, name: &[u8], depth: usize) -> Option<(u32, u32)> {
        if depth > MAX_DEPTH || !matches!(ty.kind(), STRUCT | UNION) {
            return None;
        }
        for index in 0..ty.len() {
            let at = ty.rest + 12 * index;
            let member_name = name_at(self.strings, u32_at(self.types, at)?);
            let id = u32_at(self.types, at + 4)?;
            let mut bits = u32_at(self.types, at + 8)?;
            if ty.has_bit_fields() {
                bits &= 0x00ff_ffff;
            }
            if member_name == name {
                return Some((bits, id));
            }
            if member_name.is_empty()
                && let Some(inner) = self.resolve(id)
                && let Some((more, id)) = self.find_member(inner, name, depth + 1)
            {
                return Some((bits.checked_add(more)?, id));
            }
        }
        None
    }

    /// Whether the kernel has this BTF tracepoint.
    pub(crate) fn has_tracepoint(&self, name: &str) -> bool {
        self.tracepoints.contains_key(name.as_bytes())
    }

    /// The function that a BTF tracepoint calls. Its first argument is the tracepoint's own data,
    /// which programs do not see.
    fn prototype(&self, tracepoint: &str) -> Option<Type> {
        let typedef = *self.tracepoints.get(tracepoint.as_bytes())?;
        let pointer = self.resolve(typedef)?;
        let proto = self.resolve(pointer.size_or_target)?;
        (pointer.kind() == PTR && proto.kind() == FUNC_PROTO).then_some(proto)
    }

    /// Position of the first argument of a BTF tracepoint that has one of these types, pointers to
    /// them included.
    pub(crate) fn argument_position(&self, tracepoint: &str, type_names: &[&str]) -> Option<u32> {
        let proto = self.prototype(tracepoint)?;
        (1..proto.len()).find_map(|index| {
            let id = u32_at(self.types, proto.rest + 8 * index + 4)?;
            self.is_named(id, type_names).then_some(index as u32 - 1)
        })
    }

    /// Types of the arguments of a BTF tracepoint, as C writes them, without qualifiers: as in
    /// `struct task_struct *`. `None` where the kernel has no such tracepoint.
    pub fn tracepoint_arguments(&self, name: &str) -> Option<Vec<String>> {
        let proto = self.prototype(name)?;
        (1..proto.len())
            .map(|index| self.type_name(u32_at(self.types, proto.rest + 8 * index + 4)?, 0))
            .collect()
    }

    fn type_name(&self, id: u32, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let Some(ty) = self.type_by_id(id) else {
            return (id == 0).then(|| "void".to_owned());
        };
        let name = String::from_utf8_lossy(name_at(self.strings, ty.name));
        Some(match ty.kind() {
            PTR => {
                let to = self.type_name(ty.size_or_target, depth + 1)?;
                let space = if to.ends_with('*') { "" } else { " " };
                format!("{to}{space}*")
            }
            CONST | VOLATILE | RESTRICT | TYPE_TAG => {
                self.type_name(ty.size_or_target, depth + 1)?
            }
            // Unions and structs have one kind of forward declaration.
            STRUCT | FWD => format!("struct {name}"),
            UNION => format!("union {name}"),
            ENUM | ENUM64 => format!("enum {name}"),
            _ => name.into_owned(),
        })
    }

    /// Whether a type, or what it points to, has one of these names.
    fn is_named(&self, mut id: u32, names: &[&str]) -> bool {
        for _ in 0..MAX_DEPTH {
            let Some(ty) = self.type_by_id(id) else {
                return false;
            };
            let name = name_at(self.strings, ty.name);
            if !name.is_empty() && names.iter().any(|n| n.as_bytes() == name) {
                return true;
            }
            match ty.kind() {
                PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = ty.size_or_target,
                _ => return false,
            }
        }
        false
    }

    /// The value of an enum's name.
    pub(crate) fn enum_value(&self, name: &str, variant: &str) -> Option<i32> {
        self.enum_variants(name)
            .find_map(|(name, value)| (name == variant.as_bytes()).then_some(value))
    }

    /// Names and values of an enum.
    pub(crate) fn enum_variants(&self, name: &str) -> impl Iterator<Item = (&'a [u8], i32)> + '_ {
        let ty = self
            .enums
            .get(name.as_bytes())
            .and_then(|id| self.type_by_id(*id));
        let (rest, len) = ty.map_or((0, 0), |ty| (ty.rest, ty.len()));
        (0..len).filter_map(move |index| {
            let at = rest + 8 * index;
            let name = name_at(self.strings, u32_at(self.types, at)?);
            Some((name, u32_at(self.types, at + 4)? as i32))
        })
    }
}

/// A string up to its zero; empty where it is out of bounds.
fn name_at(strings: &[u8], offset: u32) -> &[u8] {
    let bytes = strings.get(offset as usize..).unwrap_or_default();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(0);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A few types, as a compiler would write them.
    struct Writer {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Writer {
        fn new() -> Self {
            Self {
                types: Vec::new(),
                strings: vec![0],
            }
        }

        fn name(&mut self, name: &str) -> u32 {
            let at = self.strings.len() as u32;
            self.strings.extend(name.as_bytes());
            self.strings.push(0);
            at
        }

        fn ty(&mut self, name: &str, kind: u32, len: usize, size_or_target: u32, rest: &[u32]) {
            let name = if name.is_empty() { 0 } else { self.name(name) };
            for word in [name, kind << 24 | len as u32, size_or_target]
                .iter()
                .chain(rest)
            {
                self.types.extend(word.to_ne_bytes());
            }
        }

        fn finish(self) -> Vec<u8> {
            let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
            bytes.extend([1, 0]);
            let types = self.types.len() as u32;
            for word in [24, 0, types, types, self.strings.len() as u32] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes.extend(self.types);
            bytes.extend(self.strings);
            bytes
        }
    }

    fn sample() -> Vec<u8> {
        let mut w = Writer::new();
        let (pid, inner, deep, flag) =
            (w.name("pid"), w.name("inner"), w.name("deep"), w.name("b"));
        w.ty("int", INT, 0, 4, &[32]); // 1
        w.ty("", UNION, 1, 8, &[deep, 1, 32]); // 2: anonymous
        w.ty("middle", STRUCT, 1, 16, &[0, 2, 64]); // 3
        w.ty(
            "task_struct",
            STRUCT,
            3,
            64,
            &[pid, 1, 128, inner, 3, 256, flag, 1, 3],
        ); // 4
        w.ty("", PTR, 0, 4, &[]); // 5
        w.ty("", FUNC_PROTO, 3, 0, &[0, 5, 0, 1, 0, 5]); // 6
        w.ty("", PTR, 0, 6, &[]); // 7
        w.ty("btf_trace_go", TYPEDEF, 0, 7, &[]); // 8
        let (a, b) = (w.name("A"), w.name("B"));
        w.ty("letters", ENUM, 2, 4, &[a, 3, b, 9]); // 9
        w.finish()
    }

    #[test]
    fn members_arguments_and_enums_are_found() {
        let bytes = sample();
        let btf = Btf::parse(&bytes).expect("BTF");
        assert_eq!(btf.member_offset("task_struct", "pid"), Some(16));
        assert_eq!(
            btf.member_offset("task_struct", "inner.deep"),
            Some(32 + 8 + 4)
        );
        assert_eq!(btf.member_offset("task_struct", "b"), None, "not at a byte");
        assert_eq!(btf.member_offset("task_struct", "gone"), None);
        assert_eq!(btf.member_offset("gone", "pid"), None);
        assert_eq!(btf.argument_position("go", &["task_struct"]), Some(1));
        assert_eq!(btf.argument_position("go", &["int"]), Some(0));
        assert_eq!(btf.argument_position("gone", &["int"]), None);
        let arguments = btf.tracepoint_arguments("go").expect("a tracepoint");
        assert_eq!(arguments, ["int", "struct task_struct *"]);
        assert_eq!(btf.enum_value("letters", "B"), Some(9));
    }

    #[test]
    fn the_running_kernels_types_agree_with_aya() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            println!("skipped: this kernel has no BTF");
            return;
        };
        let btf = Btf::parse(&bytes).expect("BTF");
        assert_eq!(btf.member_offset("sock", "__sk_common"), Some(0));
        assert!(btf.member_offset("task_struct", "real_parent").is_some());
        assert!(btf.has_tracepoint("sched_process_exec"));
        assert_eq!(
            btf.argument_position("sched_process_exec", &["linux_binprm"]),
            Some(2)
        );
    }

    fn ask_everything(btf: &Btf<'_>) {
        for name in ["task_struct", "middle", "int"] {
            for path in ["pid", "inner.deep", "b", "deep"] {
                let _ = btf.member_offset(name, path);
            }
        }
        let _ = btf.argument_position("go", &["int", "task_struct"]);
        let _ = btf.tracepoint_arguments("go");
        let _ = btf.enum_variants("letters").count();
    }

    proptest! {
        #[test]
        fn truncated_input_is_refused_or_understood(len in 0_usize..400) {
            let bytes = sample();
            let bytes = &bytes[..len.min(bytes.len())];
            if let Ok(btf) = Btf::parse(bytes) {
                ask_everything(&btf);
            }
        }

        #[test]
        fn corrupted_input_never_panics(
            changes in proptest::collection::vec((0_usize..400, any::<u8>()), 1..20),
        ) {
            let mut bytes = sample();
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            if let Ok(btf) = Btf::parse(&bytes) {
                ask_everything(&btf);
            }
        }
    }
}
