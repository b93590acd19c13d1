//! Pictures of the console: a real terminal (tmux) runs it, keys are pressed, and what the screen
//! then shows is drawn as SVG, or as PNG by `rsvg-convert` and `pngquant`
//! (Debian: `librsvg2-bin`, `pngquant`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use unicode_width::UnicodeWidthChar as _;

use crate::error::Error;
use crate::run;
use crate::terminal::Terminal;

/// A picture of the console on a real agent, for the docs
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to write: .svg or .png
    out: PathBuf,
    /// What to run in the terminal
    #[arg(long, default_value = "target/release/hark")]
    command: String,
    /// Columns and rows of the terminal
    #[arg(long, default_value = "120x36", value_parser = parse_size)]
    size: (u16, u16),
    /// Seconds to wait before keys are pressed, so that curves have a past
    #[arg(long, default_value_t = 10)]
    wait: u64,
    /// Keys to press, by tmux's names: `2`, `Enter`, `Down`
    #[arg(long, default_value = "")]
    keys: String,
    /// Another picture of the same console, after these keys; may be given again and again
    #[arg(long, num_args = 2, value_names = ["FILE", "KEYS"], action = clap::ArgAction::Append)]
    and: Vec<String>,
    /// Seconds to wait after the keys
    #[arg(long, default_value_t = 1)]
    then: u64,
    /// Background and text colour of the terminal
    #[arg(long, default_values_t = ["#12151c".to_owned(), "#d7dce5".to_owned()], num_args = 2)]
    colours: Vec<String>,
}

fn parse_size(text: &str) -> Result<(u16, u16), String> {
    let parse = || {
        let (columns, rows) = text.split_once('x')?;
        Some((columns.parse().ok()?, rows.parse().ok()?))
    };
    parse().ok_or_else(|| "write columns x rows, as in 120x36".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let terminal = Terminal::start("picture", &args.command, args.size)?;
    sleep(Duration::from_secs(args.wait));
    let mut pictures = vec![(args.out.as_path(), args.keys.as_str())];
    let more = args.and.chunks_exact(2);
    pictures.extend(more.map(|pair| (Path::new(&pair[0]), pair[1].as_str())));
    let mut screens = Vec::new();
    for (out, keys) in pictures {
        for key in keys.split_whitespace() {
            terminal.tmux(&["send-keys", key])?;
            sleep(Duration::from_millis(150));
        }
        sleep(Duration::from_secs(args.then));
        screens.push((out, terminal.tmux(&["capture-pane", "-p", "-e", "-N"])?));
    }
    drop(terminal);
    // Drawn last, so that what that takes is on no picture.
    for (out, screen) in screens {
        let rows = parse_screen(&screen);
        let svg = draw(&rows, args.size, &args.colours[0], &args.colours[1]);
        write(out, &svg)?;
    }
    Ok(())
}

/// Writes a picture as what its name says.
fn write(out: &Path, svg: &str) -> Result<(), Error> {
    if out.extension().is_some_and(|e| e == "png") {
        let drawn = out.with_extension("svg");
        std::fs::write(&drawn, svg).map_err(Error::file(&drawn))?;
        run::run(
            Command::new("rsvg-convert")
                .args(["--zoom", "1.5", "-o"])
                .args([out, &drawn]),
        )?;
        std::fs::remove_file(&drawn).map_err(Error::file(&drawn))?;
        // A screen has few colours: a palette makes the file a third as large.
        run::run(
            Command::new("pngquant")
                .args(["--force", "--strip", "--ext", ".png", "64"])
                .arg(out),
        )
    } else {
        std::fs::write(out, svg).map_err(Error::file(out))
    }
}

/// How a cell looks. Colours are CSS; `None` is the terminal's own.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "attributes of SGR, each by itself"
)]
struct Look {
    text: Option<String>,
    back: Option<String>,
    bold: bool,
    dim: bool,
    underline: bool,
    reverse: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Cell {
    text: String,
    width: u16,
    look: Look,
}

/// The cells of each row, from text with SGR sequences.
fn parse_screen(screen: &str) -> Vec<Vec<Cell>> {
    let mut look = Look::default();
    let parse_row = |row: &str| {
        let mut cells: Vec<Cell> = Vec::new();
        let mut rest = row;
        while let Some(c) = rest.chars().next() {
            if let Some(sequence) = rest.strip_prefix("\u{1B}[")
                && let Some(end) = sequence.find(|c: char| c.is_ascii_alphabetic())
            {
                if sequence[end..].starts_with('m') {
                    look.apply(&sequence[..end]);
                }
                rest = &sequence[end + 1..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match (c.width(), cells.last_mut()) {
                (Some(0), Some(last)) => last.text.push(c),
                (Some(width), _) if width > 0 => cells.push(Cell {
                    text: c.to_string(),
                    width: width as u16,
                    look: look.clone(),
                }),
                _ => {}
            }
        }
        cells
    };
    screen.lines().map(parse_row).collect()
}

impl Look {
    /// Applies the parameters of one SGR sequence (ECMA-48 8.3.117).
    fn apply(&mut self, parameters: &str) {
        let mut numbers = parameters
            .split([';', ':'])
            .map(|n| n.parse::<u32>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                4 => self.underline = true,
                7 => self.reverse = true,
                22 => (self.bold, self.dim) = (false, false),
                24 => self.underline = false,
                27 => self.reverse = false,
                30..=37 => self.text = Some(indexed(number - 30)),
                38 => self.text = extended(&mut numbers),
                39 => self.text = None,
                40..=47 => self.back = Some(indexed(number - 40)),
                48 => self.back = extended(&mut numbers),
                49 => self.back = None,
                90..=97 => self.text = Some(indexed(number - 82)),
                100..=107 => self.back = Some(indexed(number - 92)),
                _ => {}
            }
        }
    }
}

fn extended(numbers: &mut impl Iterator<Item = u32>) -> Option<String> {
    match numbers.next()? {
        5 => Some(indexed(numbers.next()?)),
        2 => {
            let (r, g, b) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some(format!("#{r:02x}{g:02x}{b:02x}"))
        }
        _ => None,
    }
}

/// A colour of the 256-colour table.
fn indexed(index: u32) -> String {
    const SIXTEEN: [&str; 16] = [
        "#000000", "#cd3131", "#0dbc79", "#c8a200", "#2472c8", "#bc3fbc", "#11a8cd", "#cccccc",
        "#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
    ];
    match index {
        0..16 => SIXTEEN[index as usize].to_owned(),
        16..232 => {
            let step = |n: u32| if n == 0 { 0 } else { 55 + 40 * n };
            let i = index - 16;
            format!(
                "#{:02x}{:02x}{:02x}",
                step(i / 36),
                step(i / 6 % 6),
                step(i % 6)
            )
        }
        _ => {
            let grey = 8 + 10 * (index.min(255) - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

/// Width and height of a cell, and the margin around all, in pixels.
const CELL: (f64, f64) = (8.0, 17.0);
const MARGIN: f64 = 12.0;

/// The cells as SVG. Lines, blocks and dots are drawn as shapes, so that they meet whatever font
/// the viewer has; letters are text, set to the width of their cells.
fn draw(rows: &[Vec<Cell>], (columns, lines): (u16, u16), back: &str, text: &str) -> String {
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(lines) * CELL.1 + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{back}\"/>\n\
         <g font-family=\"'DejaVu Sans Mono','Menlo','Consolas',monospace\" font-size=\"13\" xml:space=\"preserve\">\n"
    );
    for (row, cells) in rows.iter().enumerate() {
        let y = MARGIN + row as f64 * CELL.1;
        let mut column = 0;
        let mut from = 0;
        while from < cells.len() {
            let look = &cells[from].look;
            let run = cells[from..].iter().take_while(|cell| cell.look == *look);
            let run: Vec<&Cell> = run.collect();
            let x = MARGIN + f64::from(column) * CELL.0;
            draw_run(&mut svg, &run, x, y, look, back, text);
            column += run.iter().map(|cell| cell.width).sum::<u16>();
            from += run.len();
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn draw_run(svg: &mut String, run: &[&Cell], x: f64, y: f64, look: &Look, back: &str, text: &str) {
    let own =
        |colour: &Option<String>, other: &str| colour.clone().unwrap_or_else(|| other.to_owned());
    let (mut fore, mut behind) = (own(&look.text, text), own(&look.back, back));
    if look.reverse {
        std::mem::swap(&mut fore, &mut behind);
    }
    let (w, h) = CELL;
    let columns: u16 = run.iter().map(|cell| cell.width).sum();
    let width = f64::from(columns) * w;
    if behind != back {
        let _ = writeln!(
            svg,
            "<rect shape-rendering=\"crispEdges\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{h}\" fill=\"{behind}\"/>"
        );
    }
    let mut shades = [String::new(), String::new(), String::new()];
    let mut shapes = String::new();
    let mut dots = String::new();
    let mut letters = String::new();
    let mut letters_x = x;
    let mut at = x;
    let mut words = Vec::new();
    for cell in run {
        let c = cell.text.chars().next().unwrap_or(' ');
        let cell_width = f64::from(cell.width) * w;
        let is_shape = match c {
            // A part of the dots is drawn as that part of the colour.
            '░'..='▓' => {
                let _ = write!(
                    shades[c as usize - '░' as usize],
                    "M{at:.1} {y:.1}h{cell_width:.1}v{h:.1}h-{cell_width:.1}z"
                );
                true
            }
            _ => shape(&mut shapes, &mut dots, c, at, y),
        };
        if is_shape || (c == ' ' && letters.is_empty()) {
            if !letters.is_empty() {
                words.push((letters_x, std::mem::take(&mut letters)));
            }
        } else {
            if letters.is_empty() {
                letters_x = at;
            }
            letters.push_str(&cell.text);
        }
        at += cell_width;
    }
    if !letters.is_empty() {
        words.push((letters_x, letters));
    }
    // Without blurred edges, so that neighbours meet.
    let mut fill = |opacity: f64, path: &str| {
        if !path.is_empty() {
            let _ = writeln!(
                svg,
                "<path shape-rendering=\"crispEdges\" fill=\"{fore}\" fill-opacity=\"{opacity}\" d=\"{path}\"/>"
            );
        }
    };
    for (shade, opacity) in shades.iter().zip([0.25, 0.5, 0.75]) {
        fill(opacity, shade);
    }
    fill(1.0, &shapes);
    if !dots.is_empty() {
        let _ = writeln!(
            svg,
            "<path stroke=\"{fore}\" stroke-width=\"2.6\" stroke-linecap=\"round\" d=\"{dots}\"/>"
        );
    }
    for (x, word) in words {
        let word = word.trim_end();
        let columns: usize = word
            .chars()
            .filter_map(unicode_width::UnicodeWidthChar::width)
            .sum();
        let length = columns as f64 * w;
        let bold = if look.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let dim = if look.dim { " opacity=\".6\"" } else { "" };
        let under = if look.underline {
            " text-decoration=\"underline\""
        } else {
            ""
        };
        let escaped = word.replace('&', "&amp;").replace('<', "&lt;");
        let base = y + h * 0.76;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{base:.1}\" fill=\"{fore}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\"{bold}{dim}{under}>{escaped}</text>"
        );
    }
}

/// Draws a character that is a shape; false where it is a letter.
fn shape(shapes: &mut String, dots: &mut String, c: char, x: f64, y: f64) -> bool {
    let (w, h) = CELL;
    let mut rect = |left: f64, top: f64, width: f64, height: f64| {
        let _ = write!(
            shapes,
            "M{:.1} {:.1}h{:.1}v{:.1}h-{:.1}z",
            x + left,
            y + top,
            width,
            height,
            width
        );
    };
    let (middle, line) = (h / 2.0 - 0.5, 1.0);
    match c {
        '─' => rect(0.0, middle, w, line),
        '│' => rect(w / 2.0 - 0.5, 0.0, line, h),
        '╭' => {
            rect(w / 2.0 - 0.5, middle, w / 2.0 + 0.5, line);
            rect(w / 2.0 - 0.5, middle, line, h / 2.0 + 0.5);
        }
        '╮' => {
            rect(0.0, middle, w / 2.0 + 0.5, line);
            rect(w / 2.0 - 0.5, middle, line, h / 2.0 + 0.5);
        }
        '╰' => {
            rect(w / 2.0 - 0.5, middle, w / 2.0 + 0.5, line);
            rect(w / 2.0 - 0.5, 0.0, line, h / 2.0 + 0.5);
        }
        '╯' => {
            rect(0.0, middle, w / 2.0 + 0.5, line);
            rect(w / 2.0 - 0.5, 0.0, line, h / 2.0 + 0.5);
        }
        '▁'..='█' => {
            let eighths = f64::from(c as u32 - 0x2580);
            let height = h * eighths / 8.0;
            rect(0.0, h - height, w, height);
        }
        '━' => rect(0.0, middle - 1.0, w, 3.0),
        '╸' => rect(0.0, middle - 1.0, w / 2.0, 3.0),
        '\u{2800}'..='\u{28FF}' => {
            const PLACES: [(u32, u32); 8] = [
                (0, 0),
                (0, 1),
                (0, 2),
                (1, 0),
                (1, 1),
                (1, 2),
                (0, 3),
                (1, 3),
            ];
            for (bit, (column, row)) in PLACES.into_iter().enumerate() {
                if (c as u32) & (1 << bit) != 0 {
                    let dot_x = x + w * (0.25 + 0.5 * f64::from(column));
                    let dot_y = y + h * (0.125 + 0.25 * f64::from(row));
                    let _ = write!(dots, "M{dot_x:.1} {dot_y:.1}h0");
                }
            }
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_widths_are_read() {
        let rows = parse_screen("\u{1B}[1;38;2;1;2;3ma\u{1B}[0m日\u{1B}[48;5;196mb\nc");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][0].look.text.as_deref(), Some("#010203"));
        assert!(rows[0][0].look.bold);
        assert_eq!((rows[0][1].width, &rows[0][1].look), (2, &Look::default()));
        assert_eq!(rows[0][2].look.back.as_deref(), Some("#ff0000"));
        // What is set stays set over the end of a row.
        assert_eq!(rows[1][0].look, rows[0][2].look);
    }

    #[test]
    fn text_is_escaped_and_shapes_are_drawn() {
        let svg = draw(&parse_screen("<a>─⣿"), (8, 1), "#000", "#fff");
        assert!(svg.contains(">&lt;a></text>"), "{svg}");
        assert_eq!(svg.matches("h0").count(), 8);
        assert!(svg.contains("<path shape-rendering"));
        let svg = draw(&parse_screen("░▒"), (2, 1), "#000", "#fff");
        assert!(svg.contains("0.25") && svg.contains("0.5"), "{svg}");
    }
}
