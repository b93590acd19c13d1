//! Checks that the links in the documentation lead somewhere. Links to other hosts are not followed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::run;

pub(crate) fn run() -> Result<(), Error> {
    let root = run::root();
    let mut pages = Vec::new();
    for dir in [root.clone(), root.join("docs")] {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        pages.extend(
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    pages.sort();
    let mut checked = 0;
    let mut broken = 0;
    for page in &pages {
        let text = fs::read_to_string(page).map_err(Error::file(page))?;
        for (line, link) in links(&text) {
            checked += 1;
            if let Err(reason) = check(page, &link) {
                broken += 1;
                let page = page.strip_prefix(&root).unwrap_or(page);
                eprintln!("{}:{line}: {link}: {reason}", page.display());
            }
        }
    }
    println!("{checked} links in {} pages, {broken} broken", pages.len());
    if broken == 0 {
        Ok(())
    } else {
        Err(Error::Check(format!("{broken} broken links")))
    }
}

fn check(page: &Path, link: &str) -> Result<(), String> {
    if link.starts_with('<') || link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (path, anchor) = link
        .split_once('#')
        .map_or((link, None), |(p, a)| (p, Some(a)));
    let target: PathBuf = match (path, page.parent()) {
        ("", _) | (_, None) => page.to_owned(),
        (path, Some(dir)) => dir.join(path),
    };
    if !target.exists() {
        return Err("no such file".to_owned());
    }
    let Some(anchor) = anchor.filter(|_| target.extension().is_some_and(|e| e == "md")) else {
        return Ok(());
    };
    let text = fs::read_to_string(&target).map_err(|error| error.to_string())?;
    if headings(&text).any(|heading| slug(heading) == anchor) {
        Ok(())
    } else {
        Err("no such heading".to_owned())
    }
}

/// The lines outside of code blocks, from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((i + 1, line))
    })
}

/// The targets of links and images, with their lines: `[text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every other part stands between backticks.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let mut rest = plain.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else {
                break;
            };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push((number, target.to_owned()));
            rest = &rest[end..];
        }
        if plain.starts_with('[')
            && let Some((_, target)) = plain.split_once("]: ")
        {
            found.push((number, target.trim().to_owned()));
        }
    }
    found
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.trim())
    })
}

/// A heading as an anchor, as GitHub makes it.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page, `hark`'s\nSee [one](one.md#a-b) and `[no](link)`, ![x](x.png \"t\").\n```sh\n# no heading [no](link)\n```\n[ref]: two.md\n";

    #[test]
    fn links_are_found_outside_of_code() {
        let found: Vec<_> = links(PAGE);
        let expected = [(2, "one.md#a-b"), (2, "x.png"), (6, "two.md")];
        assert_eq!(found, expected.map(|(line, link)| (line, link.to_owned())));
    }

    #[test]
    fn links_are_checked_down_to_the_heading() {
        let dir = tempfile::tempdir().expect("tempdir");
        let page = dir.path().join("page.md");
        fs::write(&page, PAGE).expect("write");
        for good in [
            "#a-page-harks",
            "page.md",
            "page.md#a-page-harks",
            "https://x.example/y",
        ] {
            assert_eq!(check(&page, good), Ok(()), "{good}");
        }
        assert_eq!(check(&page, "one.md"), Err("no such file".to_owned()));
        assert_eq!(
            check(&page, "#no-heading-nolink"),
            Err("no such heading".to_owned())
        );
    }
}
