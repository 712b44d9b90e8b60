//! Who is to be seen large: whoever speaks, without jumping at every cough.

use std::time::Duration;
use std::time::Instant;

use crate::model::UserId;

/// How long somebody who has fallen silent keeps the stage while others speak.
const HOLD: Duration = Duration::from_secs(2);

/// The person who has the stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActiveSpeaker {
    current: Option<UserId>,
    /// Whoever takes over unless `current` speaks again, and when.
    next: Option<(UserId, Instant)>,
}

impl ActiveSpeaker {
    /// Who it is; `None` before anybody has spoken.
    #[must_use]
    pub const fn current(&self) -> Option<&UserId> {
        self.current.as_ref()
    }

    /// Takes who speaks now, the loudest first; true if the stage changes hands.
    pub fn set_speaking(&mut self, speaking: &[&UserId], now: Instant) -> bool {
        let holds = self.current.as_ref().is_some_and(|current| speaking.contains(&current));
        let Some(loudest) = speaking.first().filter(|_| !holds) else {
            self.next = None;
            return false;
        };
        if self.current.is_none() {
            self.current = Some((*loudest).clone());
            return true;
        }
        let since = self.next.take().map_or(now + HOLD, |(_, at)| at);
        self.next = Some(((*loudest).clone(), since));
        self.advance(now)
    }

    /// Lets whoever waits take over when it is time; true if the stage changes hands.
    pub fn advance(&mut self, now: Instant) -> bool {
        let Some((user, _)) = self.next.take_if(|(_, at)| *at <= now) else { return false };
        self.current = Some(user);
        true
    }

    /// When [`advance`](Self::advance) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next.as_ref().map(|(_, at)| *at)
    }

    /// Forgets whoever `stays` says is gone.
    pub fn retain(&mut self, stays: impl Fn(&UserId) -> bool) {
        self.current.take_if(|user| !stays(user));
        self.next.take_if(|(user, _)| !stays(user));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_changes_hands_after_two_seconds_of_silence() {
        let (ana, ben, chi) = (UserId::from("ana"), UserId::from("ben"), UserId::from("chi"));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut active = ActiveSpeaker::default();
        assert!(active.set_speaking(&[&ben], at(0)), "the first one gets it at once");
        assert!(!active.set_speaking(&[&chi, &ben], at(1000)), "louder is not enough");
        assert!(!active.set_speaking(&[&chi], at(2000)));
        assert!(!active.set_speaking(&[&ben], at(3000)), "a pause is not an end");
        assert!(!active.set_speaking(&[], at(9000)), "silence takes it from nobody");
        assert!(!active.set_speaking(&[&chi], at(10_000)));
        assert!(!active.set_speaking(&[&ana, &chi], at(11_900)));
        assert_eq!(active.deadline(), Some(at(12_000)));
        assert!(active.advance(at(12_000)));
        assert_eq!((active.current(), active.deadline()), (Some(&ana), None));
        active.retain(|user| *user != ana);
        assert_eq!(active.current(), None);
    }
}
