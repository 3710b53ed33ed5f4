//! The decision itself.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use media::WallTime;

use super::walk::{Fetch, View, Walk};
use super::{Budget, Cause, Doom, Plan, Rule};
use crate::ids::ExtentNo;
use crate::state::Held;

/// Clips that get files of their own at once; the next pass goes on.
const COPY_OUT_MAX: usize = 8;

struct Planner<'a> {
    streams: &'a [(&'a dyn Fetch, Rule)],
    /// Extents taken at most.
    max: usize,
    plan: Plan,
    taken: Vec<BTreeSet<ExtentNo>>,
    copied: BTreeSet<(usize, uuid::Uuid)>,
}

/// What goes of these streams, at most `max` extents; `now` judges ages.
pub(crate) fn plan(streams: &[(&dyn Fetch, Rule)], budget: Budget, now: WallTime, max: usize) -> Plan {
    let taken = vec![BTreeSet::new(); streams.len()];
    let mut planner = Planner { streams, max, plan: Plan::default(), taken, copied: BTreeSet::new() };
    for i in 0..streams.len() {
        planner.by_rule(i, now);
    }
    let held: u64 = streams.iter().map(|(s, _)| s.bytes()).sum();
    let gone = planner.plan.bytes();
    let over = budget.max_bytes.map_or(0, |max| held.saturating_sub(gone).saturating_sub(max));
    planner.by_space(over, Cause::Bytes);
    let gone = planner.plan.bytes();
    planner.by_space(budget.need.saturating_sub(gone), Cause::Space);
    planner.plan
}

impl Planner<'_> {
    /// What a stream's own rule says.
    fn by_rule(&mut self, i: usize, now: WallTime) {
        let (stream, rule) = self.streams[i];
        let too_old = rule.max_age_ns.map(|age| now.plus_ns(age.saturating_neg()));
        let mut over = rule.max_bytes.map_or(0, |max| stream.bytes().saturating_sub(max));
        let mut walk = Walk::new(stream);
        while let Some(view) = walk.peek() {
            let cause = match too_old {
                Some(limit) if view.end <= limit => Cause::Age,
                _ if over > 0 => Cause::Bytes,
                _ => return,
            };
            walk.skip();
            match stream.held(view.no) {
                Held::Free if !self.take(i, view, cause) => return,
                Held::Free => over = over.saturating_sub(view.bytes),
                Held::Clips(clips) => self.copy_out(i, &clips),
                Held::Leased | Held::Protected | Held::Open => {}
            }
        }
    }

    fn take(&mut self, i: usize, view: View, cause: Cause) -> bool {
        if self.plan.expire.len() == self.max {
            return false;
        }
        if self.taken[i].insert(view.no) {
            let View { no, start, end, bytes, .. } = view;
            let stream = self.streams[i].0.name().clone();
            self.plan.expire.push(Doom { stream, extent: no, start, end, bytes, cause });
        }
        true
    }

    fn copy_out(&mut self, i: usize, clips: &[uuid::Uuid]) {
        for &clip in clips {
            if self.copied.len() < COPY_OUT_MAX && self.copied.insert((i, clip)) {
                self.plan.copy_out.push((self.streams[i].0.name().clone(), clip));
            }
        }
    }

    /// Takes `need` bytes over all streams, oldest first: what nobody holds, then what viewers are being sent; then
    /// asks for files of clips.
    fn by_space(&mut self, need: u64, cause: Cause) {
        if need == 0 {
            return;
        }
        let mut left = need;
        // Viewers yield to a full volume only.
        let steps: &[bool] = if cause == Cause::Space { &[false, true] } else { &[false] };
        for &leased in steps {
            left = self.yielding(left, cause, leased);
            if left == 0 {
                return;
            }
        }
        self.plan.short = self.plan.short.max(left);
    }

    fn yielding(&mut self, need: u64, cause: Cause, leased: bool) -> u64 {
        let streams = self.streams;
        let mut walks: Vec<Walk<'_>> = streams.iter().map(|(s, _)| Walk::new(*s)).collect();
        let mut oldest: BinaryHeap<Reverse<(WallTime, usize)>> =
            walks.iter_mut().enumerate().filter_map(|(i, w)| Some(Reverse((w.peek()?.end, i)))).collect();
        let mut left = need;
        while let Some(Reverse((_, i))) = oldest.pop() {
            let Some(view) = walks[i].peek() else { continue };
            walks[i].skip();
            if !self.taken[i].contains(&view.no) {
                match streams[i].0.held(view.no) {
                    Held::Free if !self.take(i, view, cause) => return 0,
                    Held::Leased if leased && !self.take(i, view, cause) => return 0,
                    Held::Free => left = left.saturating_sub(view.bytes),
                    Held::Leased if leased => left = left.saturating_sub(view.bytes),
                    Held::Clips(clips) if leased => self.copy_out(i, &clips),
                    _ => {}
                }
            }
            if left == 0 {
                return 0;
            }
            oldest.extend(walks[i].peek().map(|next| Reverse((next.end, i))));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use media::StreamName;
    use uuid::Uuid;

    use super::*;
    use crate::ids::PartNo;

    const MINUTE: i64 = 60_000_000_000;

    /// Extents of a minute and 10 bytes each, numbered from 1, the first at `from` minutes.
    struct Made {
        name: StreamName,
        from: i64,
        extents: u64,
        held: BTreeMap<u64, Held>,
    }

    fn made(name: &str, from: i64, extents: u64) -> Made {
        Made { name: StreamName::parse(name).unwrap(), from, extents, held: BTreeMap::new() }
    }

    impl Made {
        fn with(mut self, no: u64, held: Held) -> Self {
            self.held.insert(no, held);
            self
        }
    }

    impl Fetch for Made {
        fn name(&self) -> &StreamName {
            &self.name
        }
        fn bytes(&self) -> u64 {
            self.extents * 10
        }
        fn oldest(&self, from: PartNo, max: usize) -> Vec<View> {
            let view = |no: u64| View {
                no: ExtentNo(no),
                first_part: PartNo(no * 120),
                start: WallTime((self.from + no as i64 - 1) * MINUTE),
                end: WallTime((self.from + no as i64) * MINUTE),
                bytes: 10,
            };
            (1..=self.extents).map(view).filter(|v| v.first_part >= from).take(max).collect()
        }
        fn held(&self, no: ExtentNo) -> Held {
            match no.0 == self.extents {
                true => Held::Open,
                false => self.held.get(&no.0).cloned().unwrap_or(Held::Free),
            }
        }
    }

    /// What goes, as `stream/extent/cause`, and the clips that need files.
    fn check(streams: &[(Made, Rule)], budget: Budget, now: i64, expected: &[&str], copied: usize) -> Plan {
        let asked: Vec<(&dyn Fetch, Rule)> = streams.iter().map(|(s, r)| (s as &dyn Fetch, *r)).collect();
        let plan = plan(&asked, budget, WallTime(now * MINUTE), 1_000);
        let got: Vec<String> = plan
            .expire
            .iter()
            .map(|d| format!("{}/{}/{}", d.stream.stream(), d.extent, d.cause.as_str()))
            .collect();
        assert_eq!(got, expected);
        assert_eq!(plan.copy_out.len(), copied);
        plan
    }

    fn age(minutes: i64) -> Rule {
        Rule { max_age_ns: Some(minutes * MINUTE), max_bytes: None }
    }

    fn bytes(max: u64) -> Rule {
        Rule { max_age_ns: None, max_bytes: Some(max) }
    }

    fn clips() -> Held {
        Held::Clips(vec![Uuid::from_u128(1)])
    }

    #[test]
    fn age_takes_what_ended_long_enough_ago() {
        check(&[(made("a/a", 0, 10), age(8))], Budget::default(), 10, &["a/1/age", "a/2/age"], 0);
        check(&[(made("a/a", 0, 10), age(8))], Budget::default(), 8, &[], 0);
        // Neither what is being written, however old.
        let all: Vec<String> = (1..10).map(|n| format!("a/{n}/age")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        check(&[(made("a/a", 0, 10), age(1))], Budget::default(), 99, &all, 0);
    }

    #[test]
    fn bytes_of_a_stream_take_its_oldest() {
        check(
            &[(made("a/a", 0, 10), bytes(75))],
            Budget::default(),
            10,
            &["a/1/bytes", "a/2/bytes", "a/3/bytes"],
            0,
        );
    }

    #[test]
    fn what_is_held_stays_and_the_next_goes() {
        let stream = made("a/a", 0, 10).with(1, Held::Protected).with(2, Held::Leased).with(3, clips());
        check(&[(stream, bytes(80))], Budget::default(), 10, &["a/4/bytes", "a/5/bytes"], 1);
    }

    #[test]
    fn space_yields_oldest_first_over_all_streams_then_viewers_then_clips() {
        let streams = || {
            let a = made("a/a", 0, 4).with(1, Held::Leased).with(2, clips());
            [(a, Rule::default()), (made("a/b", 1, 3), Rule::default())]
        };
        let need = |need| Budget { need, ..Budget::default() };
        check(&streams(), need(5), 10, &["b/1/space"], 0);
        check(&streams(), need(30), 10, &["b/1/space", "a/3/space", "b/2/space"], 0);
        check(&streams(), need(40), 10, &["b/1/space", "a/3/space", "b/2/space", "a/1/space"], 0);
        let plan = check(&streams(), need(55), 10, &["b/1/space", "a/3/space", "b/2/space", "a/1/space"], 1);
        assert_eq!(plan.short, 15);
    }

    #[test]
    fn all_together_keep_to_their_bytes_after_the_rules() {
        let streams = [(made("a/a", 0, 5), age(9)), (made("a/b", 0, 5), Rule::default())];
        let budget = Budget { max_bytes: Some(75), need: 0 };
        check(&streams, budget, 10, &["a/1/age", "b/1/bytes", "a/2/bytes"], 0);
    }

    #[test]
    fn a_pass_takes_no_more_than_it_may() {
        let stream = made("a/a", 0, 500);
        let plan = plan(&[(&stream, age(1))], Budget::default(), WallTime(1000 * MINUTE), 100);
        assert_eq!(plan.expire.len(), 100);
        assert_eq!(plan.expire[99].extent, ExtentNo(100));
    }
}
