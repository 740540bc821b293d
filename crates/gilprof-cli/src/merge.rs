//! `gilprof merge`: several saved profiles become one.

use gilprof::Profile;

use crate::args::MergeArgs;
use crate::command::say;
use crate::error::Error;
use crate::file::{Target, load};

/// Saves the sum of the profiles; gives back the exit status.
///
/// # Errors
/// Where a file holds no profile that can be read, or none can be written.
pub(crate) fn merge(args: &MergeArgs) -> Result<i32, Error> {
    let target = Target::prepare(&args.output)?;
    let loaded: Result<Vec<Profile>, Error> = args.files.iter().map(|file| load(file)).collect();
    let profiles = loaded?;
    let path = target.save(&Profile::merge(&profiles)?)?;
    let count = profiles.len();
    say(&format!(
        "merged {count} profiles. Saved: gilprof report {}",
        path.display()
    ));
    Ok(0)
}
