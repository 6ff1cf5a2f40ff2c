//! Why a job of a shop does not run although its period says so.

use serde::{Deserialize, Serialize};

use super::{AuthorizationState, JobKind};

/// What must happen before a job runs again. Stored with the schedule, shown as `held_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// A person paused the shop.
    Paused,
    /// The channel refuses our app; the operator must act.
    AppAlarm,
    /// Nobody has authorized the shop yet.
    Pending,
    /// The authorization's end date has passed.
    Lapsed,
    /// The channel refused the authorization before its end.
    Revoked,
    /// `authorization_refresh = "None"`: no automatic call is made for this shop.
    RefreshNone,
    /// The channel says that the shop is closed, frozen or suspended.
    ShopClosed,
    /// The authorization lacks a right.
    ScopeMissing,
    /// Export only: no product source is named.
    NoSource,
}

impl Hold {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::AppAlarm => "app_alarm",
            Self::Pending => "pending",
            Self::Lapsed => "lapsed",
            Self::Revoked => "revoked",
            Self::RefreshNone => "refresh_none",
            Self::ShopClosed => "shop_closed",
            Self::ScopeMissing => "scope_missing",
            Self::NoSource => "no_source",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Paused,
            Self::AppAlarm,
            Self::Pending,
            Self::Lapsed,
            Self::Revoked,
            Self::RefreshNone,
            Self::ShopClosed,
            Self::ScopeMissing,
            Self::NoSource,
        ]
        .into_iter()
        .find(|hold| hold.as_str() == name)
    }

    /// Whether a held `authorization_refresh` still takes a look once a day, to notice by itself that the cause has gone.
    pub const fn looks_daily(self) -> bool {
        matches!(self, Self::Lapsed | Self::Revoked | Self::ShopClosed | Self::ScopeMissing | Self::AppAlarm)
    }
}

/// Everything that can hold the jobs of one shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// A person paused it.
    pub paused: bool,
    /// The channel refuses our app.
    pub app_alarm: bool,
    /// Whether the channel knows authorizations at all (`file` does not).
    pub needs_authorization: bool,
    /// The authorization's state; `None` means pending.
    pub authorization: Option<AuthorizationState>,
    /// The channel's word that the shop is closed stands.
    pub closed: bool,
    /// A right is missing.
    pub scope_missing: bool,
    /// The shop's period of `authorization_refresh` is `None`.
    pub refresh_none: bool,
    /// A product source is named in the settings.
    pub has_source: bool,
}

/// What holds this job, if anything: the most urgent cause first. The daemon's own jobs are never held; a refresh whose
/// period is `None` is off, not held.
pub fn held_by(job: JobKind, facts: Facts) -> Option<Hold> {
    if !JobKind::OF_SHOPS.contains(&job) {
        return None;
    }
    let refresh = job == JobKind::AuthorizationRefresh;
    let authorization = facts.authorization.unwrap_or(AuthorizationState::Pending);
    let needed = facts.needs_authorization;
    // In order of urgency: what a person wanted, then what one person can mend for all shops, then each shop's own.
    let causes = [
        (Hold::Paused, facts.paused),
        (Hold::AppAlarm, facts.app_alarm),
        (Hold::Pending, needed && authorization == AuthorizationState::Pending),
        (Hold::Revoked, needed && authorization == AuthorizationState::Revoked),
        (Hold::Lapsed, needed && authorization == AuthorizationState::Lapsed),
        (Hold::ScopeMissing, needed && facts.scope_missing),
        (Hold::ShopClosed, needed && facts.closed),
        (Hold::RefreshNone, needed && facts.refresh_none && !refresh),
        (Hold::NoSource, job == JobKind::ProductExport && !facts.has_source),
    ];
    causes.into_iter().find_map(|(hold, stands)| stands.then_some(hold))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shop that nothing holds.
    const FREE: Facts = Facts {
        paused: false,
        app_alarm: false,
        needs_authorization: true,
        authorization: Some(AuthorizationState::Active),
        closed: false,
        scope_missing: false,
        refresh_none: false,
        has_source: true,
    };

    const ALL: [Hold; 9] = [
        Hold::Paused,
        Hold::AppAlarm,
        Hold::Pending,
        Hold::Revoked,
        Hold::Lapsed,
        Hold::ScopeMissing,
        Hold::ShopClosed,
        Hold::RefreshNone,
        Hold::NoSource,
    ];

    fn held(facts: Facts) -> [Option<Hold>; 3] {
        JobKind::OF_SHOPS.map(|job| held_by(job, facts))
    }

    #[test]
    fn each_cause_holds_the_jobs_it_concerns() {
        let all = |hold| [Some(hold); 3];
        for (facts, expected) in [
            (FREE, [None; 3]),
            (Facts { paused: true, ..FREE }, all(Hold::Paused)),
            (Facts { app_alarm: true, ..FREE }, all(Hold::AppAlarm)),
            (Facts { authorization: None, ..FREE }, all(Hold::Pending)),
            (Facts { authorization: Some(AuthorizationState::Pending), ..FREE }, all(Hold::Pending)),
            (Facts { authorization: Some(AuthorizationState::Revoked), ..FREE }, all(Hold::Revoked)),
            (Facts { authorization: Some(AuthorizationState::Lapsed), ..FREE }, all(Hold::Lapsed)),
            (Facts { scope_missing: true, ..FREE }, all(Hold::ScopeMissing)),
            (Facts { closed: true, ..FREE }, all(Hold::ShopClosed)),
            (Facts { refresh_none: true, ..FREE }, [None, Some(Hold::RefreshNone), Some(Hold::RefreshNone)]),
            (Facts { has_source: false, ..FREE }, [None, None, Some(Hold::NoSource)]),
        ] {
            assert_eq!(held(facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn the_most_urgent_cause_is_named() {
        let mut facts = Facts {
            paused: true,
            app_alarm: true,
            needs_authorization: true,
            authorization: Some(AuthorizationState::Revoked),
            closed: true,
            scope_missing: true,
            refresh_none: true,
            has_source: false,
        };
        let mut named = Vec::new();
        while let Some(hold) = held_by(JobKind::ProductExport, facts) {
            named.push(hold);
            match hold {
                Hold::Paused => facts.paused = false,
                Hold::AppAlarm => facts.app_alarm = false,
                Hold::Pending | Hold::Revoked | Hold::Lapsed => facts.authorization = Some(AuthorizationState::Active),
                Hold::ScopeMissing => facts.scope_missing = false,
                Hold::ShopClosed => facts.closed = false,
                Hold::RefreshNone => facts.refresh_none = false,
                Hold::NoSource => facts.has_source = true,
            }
        }
        let expected: Vec<_> = ALL.into_iter().filter(|hold| !matches!(hold, Hold::Pending | Hold::Lapsed)).collect();
        assert_eq!(named, expected);
    }

    #[test]
    fn a_channel_without_authorization_is_held_by_people_and_settings_alone() {
        let file = Facts { needs_authorization: false, authorization: None, refresh_none: true, ..FREE };
        assert_eq!(held(file), [None; 3]);
        assert_eq!(held_by(JobKind::ProductImport, Facts { paused: true, ..file }), Some(Hold::Paused));
    }

    #[test]
    fn the_daemons_own_jobs_are_never_held() {
        let facts = Facts { paused: true, app_alarm: true, authorization: None, has_source: false, ..FREE };
        assert_eq!(JobKind::OF_DAEMON.map(|job| held_by(job, facts)), [None; 2]);
    }

    #[test]
    fn stored_names_are_read_back() {
        for hold in ALL {
            assert_eq!(Hold::from_name(hold.as_str()), Some(hold));
        }
        assert_eq!(Hold::from_name("tired"), None);
    }
}
