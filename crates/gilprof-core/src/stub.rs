//! TEMPORARY: so that others compile. Whoever writes the real format.rs, difference.rs,
//! merge.rs, balance.rs deletes this file.
#![allow(missing_docs)]
use crate::{error::Error, profile::Profile, profile::ProfileParts};

impl Profile {
    pub fn to_json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string(self)?)
    }
    pub fn from_json(text: &str) -> Result<Self, Error> {
        Ok(Self::assemble(serde_json::from_str::<ProfileParts>(text)?))
    }
    pub fn difference(&self, _earlier: &Self) -> Result<Self, Error> {
        Ok(self.clone())
    }
    pub fn merge(profiles: &[Self]) -> Result<Self, Error> {
        profiles.first().cloned().ok_or(Error::NothingToMerge)
    }
    pub fn imbalances(&self) -> Vec<String> {
        Vec::new()
    }
}
pub fn pattern(name: &str) -> String {
    let mut out = String::new();
    let mut digits = false;
    for c in name.chars() {
        let is = c.is_ascii_digit();
        if !is { out.push(c) } else if !digits { out.push('*') }
        digits = is;
    }
    out
}
