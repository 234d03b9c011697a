//! `traffic`: the words.

use clap::Subcommand;
use traffic::Series;

/// `traffic`
#[derive(Debug, Subcommand)]
pub(crate) enum TrafficCommand {
    /// What was counted, by the hour; before hours are kept, by the day
    List {
        /// Of so many days
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=36_500))]
        days: u16,
        /// Only one series, such as in-accepted
        #[arg(long, value_name = "NAME")]
        series: Option<Series>,
    },
    /// What is usual, by the hour of the week
    Normal {
        /// Of this series
        #[arg(long, value_name = "NAME", default_value = "in-accepted")]
        series: Series,
    },
    /// How traffic is now, and what differed from what is usual
    Deviations {
        /// Of so many days
        #[arg(long, value_name = "N", default_value_t = 31, value_parser = clap::value_parser!(u16).range(1..=36_500))]
        days: u16,
    },
}
