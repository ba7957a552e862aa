//! What all the events together say about the data: what it can show, and what it cannot.

use crate::trail::Event;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Gaps are looked for by the hour.
const HOUR: i64 = 3600;

/// As many hours are kept at most: forty years. Beyond, times are not those of events.
const HOURS: usize = 350_000;

/// As many Regions and accounts are kept at most: there are fewer.
const NAMES: usize = 2_000;

/// What was seen of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The events, duplicates too.
    pub events: u64,
    /// The first and the last time.
    pub window: Option<(Timestamp, Timestamp)>,
    /// The hours, since 1970, in which anything happened.
    pub hours: BTreeSet<i64>,
    /// The events of each Region.
    pub regions: BTreeMap<String, u64>,
    /// Events of IAM, STS and the sign-in service: those of global services (F14).
    pub global: u64,
    /// Events of data planes: objects read, functions invoked.
    pub data: u64,
    /// Events whose key was masked before we got them.
    pub masked: u64,
    /// The hour of the event before.
    recent: Option<i64>,
}

impl Survey {
    /// Takes an event in.
    pub fn add(&mut self, event: &Event<'_>) {
        self.events += 1;
        if let Some(time) = event.time() {
            let (from, to) = self.window.unwrap_or((time, time));
            self.window = Some((from.min(time), to.max(time)));
            let hour = time.as_second().div_euclid(HOUR);
            // Events of one file are mostly of one hour.
            if self.recent != Some(hour) && self.hours.len() < HOURS {
                self.hours.insert(hour);
                self.recent = Some(hour);
            }
        }
        if let Some(count) = self.regions.get_mut(&*event.region) {
            *count += 1;
        } else if self.regions.len() < NAMES && !event.region.is_empty() {
            self.regions.insert(event.region.to_string(), 1);
        }
        self.global += u64::from(matches!(event.service(), "iam" | "sts" | "signin"));
        self.data += u64::from(event.category == "Data" || event.management == "false");
        self.masked += u64::from(event.access_key().contains('*'));
    }

    /// Takes in what another has seen.
    pub fn merge(&mut self, other: Self) {
        self.events += other.events;
        if let Some((from, to)) = other.window {
            let (f, t) = self.window.unwrap_or((from, to));
            self.window = Some((f.min(from), t.max(to)));
        }
        self.hours.extend(other.hours);
        for (region, count) in other.regions {
            *self.regions.entry(region).or_default() += count;
        }
        self.global += other.global;
        self.data += other.data;
        self.masked += other.masked;
    }

    /// The times of so many whole hours or more in which nothing at all happened, each with its first hour and their
    /// number, in the order of time.
    #[must_use]
    pub fn gaps(&self, least: i64) -> Vec<(Timestamp, i64)> {
        let between = self.hours.iter().zip(self.hours.iter().skip(1));
        between
            .map(|(before, after)| (before + 1, after - before - 1))
            .filter(|(_, length)| *length >= least.max(1))
            .filter_map(|(from, length)| {
                Timestamp::from_second(from * HOUR).ok().map(|from| (from, length))
            })
            .collect()
    }
}
