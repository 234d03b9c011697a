//! The normal state of a site's mail and deviation from it (clause 4.4).
//!
//! A leaf: hours and their counts are handed in, and what is said of them is arithmetic. It reads no clock, keeps nothing, and knows
//! no message.
//!
//! - [`series`]: what is counted of an hour ([`Counts`]), small and bounded, and how hours are folded into days.
//! - [`calendar`]: working days, weekends and holidays, Japan's national ones computed.
//! - [`normal`]: what is usual in an hour of the week ([`Normal`]): medians of the weeks before, without the hours of incidents. Of too
//!   few hours nothing is said: "not yet known" is never "normal".
//! - [`deviation`]: whether the last sixty minutes differ much **and** service suffers ([`assess`], [`Watch`]).
//!
//! ```
//! use traffic::{Counts, Normal, Series, Slot, calendar::DayKind};
//! let monday = Slot { day: DayKind::Working, weekday: 1, hour: 9 };
//! let mut normal = Normal::default();
//! for accepted in [190, 200, 210, 205] {
//!     let mut hour = Counts { minutes: 60, ..Counts::default() };
//!     hour.add(Series::InAccepted, accepted);
//!     normal.learn(monday, &hour);
//! }
//! assert_eq!(normal.usual(monday, Series::InAccepted).map(|usual| usual.median), Some(202.5));
//! ```

pub mod calendar;
pub mod deviation;
pub mod normal;
pub mod series;

pub use calendar::{Calendar, Closed, DayKind};
pub use deviation::{Assessment, Deviation, Harm, HarmRules, Rules, State, Watch, Window, assess};
pub use normal::{Normal, Slot, Usual};
pub use series::{Counts, Gauge, Samples, Series, Shares};
