//! Budgets that all nodes count together, in Redis.
//!
//! One question for a call: a script looks at all its budgets and counts the call against all of them or none. A budget is
//! one number, the moment at which it is whole again (GCRA); it goes by itself when it is.

use std::{sync::Arc, time::Duration};

use super::{Allowance, Budget, Exceeded, WINDOW, exceeded};
use crate::{cache::Link, store::seal::Sealer, telemetry::metric};

/// Arguments for each key: microseconds from call to call at an even pace, and those of the window. Answers 0 and, for each
/// budget, in how many microseconds it is whole; or the number of the first budget that is used up and how long to wait.
const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local whole = {}
for i, key in ipairs(KEYS) do
    local step, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local at = math.min(math.max(tonumber(redis.call('GET', key)) or now, now), now + window) + step
    if at - window > now then return {i, math.ceil(at - window - now)} end
    whole[i] = at
end
local answer = {0}
for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.3f', whole[i]), 'PX', math.ceil((whole[i] - now) / 1000))
    answer[i + 1] = math.ceil(whole[i] - now)
end
return answer";

/// The counters in Redis.
#[derive(Debug)]
pub(super) struct Shared {
    link: Arc<Link>,
    sealer: Sealer,
}

impl Shared {
    pub(super) fn new(link: Arc<Link>, sealer: Sealer) -> Self {
        Self { link, sealer }
    }

    /// Counts a call against its budgets; `None`: Redis does not answer.
    pub(super) async fn take(&self, budgets: &[Budget]) -> Option<Result<Vec<Allowance>, Box<Exceeded>>> {
        let mut command = redis::cmd("EVAL");
        command.arg(SCRIPT).arg(budgets.len());
        for budget in budgets {
            command.arg(self.name(budget));
        }
        for budget in budgets {
            command.arg(step_us(budget)).arg(WINDOW.as_micros().to_string());
        }
        let answer: Vec<i64> = match self.link.ask(&command).await {
            Ok(answer) => answer,
            Err(silence) => {
                count(silence.name());
                return None;
            }
        };
        let judged = judge(budgets, &answer);
        count(match &judged {
            Some(Ok(_)) => "counted",
            Some(Err(_)) => "refused",
            None => "failed",
        });
        judged
    }

    /// Where a budget lies: that of this installation, whoever else uses the same Redis.
    fn name(&self, budget: &Budget) -> String {
        let digest = self.sealer.digest("shared rate", &format!("{}|{}", budget.name, budget.key));
        format!("hubgate:rate:{}", hex::encode(digest))
    }
}

fn step_us(budget: &Budget) -> String {
    format!("{:.3}", WINDOW.as_secs_f64() * 1_000_000.0 / f64::from(budget.per_minute.get()))
}

/// What the script's answer says; `None` when it is none of its answers.
fn judge(budgets: &[Budget], answer: &[i64]) -> Option<Result<Vec<Allowance>, Box<Exceeded>>> {
    let (first, rest) = answer.split_first()?;
    if let Some(at) = usize::try_from(*first).ok()?.checked_sub(1) {
        let wait = Duration::from_micros(u64::try_from(*rest.first()?).ok()?);
        return Some(Err(Box::new(exceeded(budgets.get(at)?, wait))));
    }
    if rest.len() != budgets.len() {
        return None;
    }
    let left = budgets.iter().zip(rest).map(|(budget, whole_us)| {
        let whole = Duration::from_micros(u64::try_from(*whole_us).unwrap_or_default()).min(WINDOW);
        let quota = budget.per_minute.get();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the quota")]
        let used = (whole.as_secs_f64() / WINDOW.as_secs_f64() * f64::from(quota) - 1e-3).ceil().max(0.0) as u32;
        let reset_s = whole.as_secs() + u64::from(whole.subsec_nanos() > 0);
        Allowance { name: budget.name, quota, remaining: quota.saturating_sub(used), reset_s }
    });
    Some(Ok(left.collect()))
}

fn count(outcome: &'static str) {
    metrics::counter!(metric::SHARED_RATES, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn budget(name: &'static str, per_minute: u32) -> Budget {
        Budget { name, key: 1, per_minute: NonZeroU32::new(per_minute).unwrap() }
    }

    #[test]
    fn the_answers_of_the_script_are_understood() {
        let budgets = [budget("instance", 6), budget("account", 60)];
        assert_eq!((step_us(&budgets[0]).as_str(), step_us(&budgets[1]).as_str()), ("10000000.000", "1000000.000"));
        let left = judge(&budgets, &[0, 20_000_000, 1_000_000]).unwrap().unwrap();
        let told: Vec<_> = left.iter().map(|left| (left.name, left.remaining, left.reset_s)).collect();
        assert_eq!(told, [("instance", 4, 20), ("account", 59, 1)]);
        let refused = judge(&budgets, &[2, 1_500_000]).unwrap().unwrap_err();
        assert_eq!((refused.allowance.name, refused.allowance.remaining, refused.allowance.reset_s), ("account", 0, 2));
        assert_eq!(refused.error.retry_after(), Some(Duration::from_millis(1500)));
        for odd in [[].as_slice(), &[0], &[0, 1], &[3, 1], &[-1, 1], &[1]] {
            assert!(judge(&budgets, odd).is_none(), "{odd:?}");
        }
    }
}
