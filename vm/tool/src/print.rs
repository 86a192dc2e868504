//! Standard output: text line by line, or one JSON object at the end.

use serde::Serialize;
use serde_json::json;
use std::io::{Write, stdout};

/// Where answers go.
pub struct Print {
    json: bool,
}

impl Print {
    /// Text, or JSON.
    pub fn new(json: bool) -> Print {
        Print { json }
    }

    /// A line of text; nothing with JSON.
    pub fn line(&mut self, text: impl AsRef<str>) -> anyhow::Result<()> {
        if !self.json {
            writeln!(stdout().lock(), "{}", text.as_ref())?;
        }
        Ok(())
    }

    /// A name and its value; nothing with JSON.
    pub fn field(&mut self, name: &str, value: impl std::fmt::Display) -> anyhow::Result<()> {
        self.line(format!("{name:<14}{value}"))
    }

    /// The JSON object; nothing with text.
    pub fn object(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(value)?;
            writeln!(stdout().lock(), "{text}")?;
        }
        Ok(())
    }

    /// What went wrong, on standard error too.
    pub fn error(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        let text = format!("{error:#}");
        eprintln!("error: {text}");
        self.object(&json!({ "error": text }))
    }
}
