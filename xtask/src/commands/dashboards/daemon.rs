//! The daemon itself: does it look, how long does that take, and what does it need for it?

use serde_json::Value;

use super::panel::Panel;
use super::sheet::{Sheet, TARGET};

/// Of the processes that Prometheus knows only ours, whatever `$job` stands for.
fn of_ours(metric: &str) -> String {
    format!("{metric}{{{TARGET}}} and on (job, instance) resumeguard_build_info{{{TARGET}}}")
}

/// A quantile of a histogram, by these labels.
fn quantile(quantile: f64, metric: &str, by: &str) -> String {
    let by = if by.is_empty() { "le".to_owned() } else { format!("le, {by}") };
    format!(
        "histogram_quantile({quantile}, sum by ({by}) (rate({metric}_bucket{{{TARGET}}}[$__rate_interval])))"
    )
}

/// Whether it looks.
fn passes(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            4,
            [
                Panel::stat("Scraped", "Whether Prometheus can scrape it.", "short")
                    .now(&format!("up{{{of}}} and on (job, instance) last_over_time(resumeguard_build_info{{{of}}}[1h])"), "{{instance}}")
                    .one_is_good(),
                Panel::stat("Version", "What runs where.", "short")
                    .now(&format!("resumeguard_build_info{{{of}}}"), "{{instance}} {{version}}")
                    .text_of_name(),
                Panel::stat("Configuration", "Whether the configuration was good when it was last read.", "short")
                    .now(&format!("resumeguard_config_last_reload_successful{{{of}}}"), "{{instance}}")
                    .thresholds("red", &[("green", 1.0)])
                    .words(&[("0", "bad: the old one is in force", "red"), ("1", "good", "green")]),
                Panel::stat("Configured", "When the configuration that is in force was loaded.", "dateTimeFromNow")
                    .now(&format!("resumeguard_config_last_reload_success_timestamp_seconds{{{of}}} * 1000"), "{{instance}}"),
                Panel::stat("Up since", "When the process was started.", "dateTimeFromNow")
                    .now(&format!("process_start_time_seconds{{{of}}} * 1000 and on (job, instance) resumeguard_build_info{{{of}}}"), "{{instance}}"),
            ],
        )
        .row(
            9,
            [
                Panel::series("Passes", "Passes over all sources in a minute. 0 means that nothing known is fresh.", "opm")
                    .over_time(&format!("sum by (instance) (rate(resumeguard_passes_total{{{of}}}[$__rate_interval])) * 60"), "{{instance}}")
                    .begins_at_zero(),
                Panel::series("Duration of a pass", "Half, and all but a hundredth, of the passes took at most so long.", "s")
                    .over_time(&quantile(0.5, "resumeguard_pass_duration_seconds", ""), "median")
                    .over_time(&quantile(0.99, "resumeguard_pass_duration_seconds", ""), "99 %")
                    .begins_at_zero(),
            ],
        )
        .row(
            8,
            [
                Panel::timeline("Sources", "Whether the last reading of each source succeeded.")
                    .over_time(&format!("min by (source, name) (resumeguard_source_up{{{of}}})"), "{{source}} {{name}}")
                    .one_is_good(),
                Panel::series("Age of the newest reading", "How long ago each source was last read whole.", "s")
                    .over_time(
                        &format!("time() - max by (source, name) (resumeguard_source_last_success_timestamp_seconds{{{of}}})"),
                        "{{source}} {{name}}",
                    )
                    .begins_at_zero(),
            ],
        )
}

/// What it cannot read, and what it needs.
fn readings(sheet: Sheet, of: &str) -> Sheet {
    sheet
        .row(
            9,
            [
                Panel::series("Readings", "Readings begun in a second, by kind of source.", "reqps")
                    .over_time(&format!("sum by (source) (rate(resumeguard_source_reads_total{{{of}}}[$__rate_interval]))"), "{{source}}")
                    .begins_at_zero(),
                Panel::series("Failed readings", "Readings that failed in a second, by source.", "reqps")
                    .over_time(
                        &format!("sum by (source, name) (rate(resumeguard_source_read_failures_total{{{of}}}[$__rate_interval]))"),
                        "{{source}} {{name}}",
                    )
                    .begins_at_zero(),
                Panel::series("Duration of a reading", "All but a hundredth of the readings took at most so long.", "s")
                    .over_time(&quantile(0.99, "resumeguard_source_read_duration_seconds", "source"), "{{source}}")
                    .begins_at_zero(),
            ],
        )
        .row(
            8,
            [
                Panel::series("Processor", "Share of one processor.", "percentunit")
                    .over_time(
                        &format!("rate(process_cpu_seconds_total{{{of}}}[$__rate_interval]) and on (job, instance) resumeguard_build_info{{{of}}}"),
                        "{{instance}}",
                    )
                    .begins_at_zero(),
                Panel::series("Memory", "Resident memory.", "bytes")
                    .over_time(&of_ours("process_resident_memory_bytes"), "{{instance}}")
                    .begins_at_zero(),
                Panel::series("Open files", "Open file descriptors.", "short")
                    .over_time(&of_ours("process_open_fds"), "{{instance}}")
                    .begins_at_zero(),
            ],
        )
}

pub(super) fn dashboard() -> Value {
    let of = TARGET;
    let sheet = Sheet::new(
        "daemon",
        "daemon",
        "resumeguard itself: whether it looks, what it cannot read, how long it takes and what it needs.",
    );
    readings(passes(sheet, of), of).json()
}
