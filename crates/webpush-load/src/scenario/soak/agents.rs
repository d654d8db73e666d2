//! Agents that connect, acknowledge at once, late or not at all, leave, and subscribe anew.

use super::session::{Acknowledgement, Protocol, Session, Subscriber};
use super::{Phase, World};
use crate::body::Stamp;
use crate::random::Random;
use anyhow::Context as _;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Shortest and longest session.
const SESSION: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(45)];
/// Shortest and longest absence.
const ABSENCE: [Duration; 2] = [Duration::ZERO, Duration::from_secs(15)];
/// Earliest and latest of the late acknowledgements.
const LATENESS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// Percentages of messages that are acknowledged late, and in this session not at all.
const LATE_PERCENT: usize = 10;
const NEVER_PERCENT: usize = 4;
/// Percentage of sessions whose agent replaces its subscription.
const REPLACE_PERCENT: usize = 3;
/// Percentage of sessions that end without a close.
const ABRUPT_PERCENT: usize = 30;
/// Longest time to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of twenty agents, these use another protocol than autopush.
const PROTOCOLS: [(usize, Protocol); 3] =
    [(5, Protocol::ServerPush), (9, Protocol::Events), (12, Protocol::Chromium)];

/// Returns the protocol of an agent.
pub(super) fn protocol_of(number: usize) -> Protocol {
    let place = number % 20;
    PROTOCOLS
        .into_iter()
        .find(|(below, _)| place < *below)
        .map_or(Protocol::Autopush, |(_, protocol)| protocol)
}

/// Lets an agent connect and leave until the run is over. Fails if the server does not let it in.
pub(super) async fn live(world: Arc<World>, number: usize, mut random: Random) -> anyhow::Result<()> {
    let protocol = protocol_of(number);
    let (mut subscriber, endpoint) = Subscriber::create(protocol, &world).await?;
    let slot = world.slot(number)?;
    slot.set_endpoint(endpoint, world.next_number());
    let mut phase = world.phase.clone();
    while *phase.borrow() != Phase::Over {
        let opening = timeout(PATIENCE, Session::open(&subscriber, &world));
        let mut session = opening.await.map_err(anyhow::Error::from).flatten()?;
        world.expectations.connected();
        slot.set_connected(Some(world.beginning.elapsed()));
        let stay = receive(&world, number, &mut session, &mut random).await;
        slot.set_connected(None);
        if let Err(error) = stay {
            eprintln!("an agent ({protocol:?}) was disconnected: {error:#}");
            world.expectations.ended_by_the_server();
            continue;
        }
        if *phase.borrow() == Phase::Working && random.chance(REPLACE_PERCENT) {
            if let Some(old) = slot.take_endpoint() {
                world.expectations.removing(old.subscription);
            }
            let endpoint = subscriber.replace(&mut session, &world).await;
            slot.set_endpoint(endpoint.context("an agent cannot subscribe anew")?, world.next_number());
        }
        if !random.chance(ABRUPT_PERCENT) {
            session.leave().await;
        }
        let [shortest, longest] = ABSENCE;
        tokio::select! {
            () = sleep(random.between(shortest, longest)) => {}
            changed = phase.wait_for(|phase| *phase != Phase::Working) => drop(changed),
        }
    }
    Ok(())
}

/// Receives and acknowledges until it is time to leave.
async fn receive(
    world: &World,
    number: usize,
    session: &mut Session,
    random: &mut Random,
) -> anyhow::Result<()> {
    let (mut phase, [shortest, longest]) = (world.phase.clone(), SESSION);
    let end = Instant::now() + random.between(shortest, longest);
    let mut late: VecDeque<(Instant, Option<Stamp>, Acknowledgement)> = VecDeque::new();
    let mut has_ignored = false;
    loop {
        let now = *phase.borrow_and_update();
        if now == Phase::Over {
            return Ok(());
        }
        let due = late.front().map_or(end, |(due, ..)| *due);
        let (stamp, acknowledgement) = tokio::select! {
            message = session.next() => {
                let (stamp, acknowledgement) = message?;
                stamp.into_iter().for_each(|stamp| world.received(number, stamp));
                let [earliest, latest] = LATENESS;
                match random.below(100) {
                    chance if now == Phase::Working && chance < NEVER_PERCENT => {
                        has_ignored = true;
                        continue;
                    }
                    chance if now == Phase::Working && chance < NEVER_PERCENT + LATE_PERCENT => {
                        late.push_back((Instant::now() + random.between(earliest, latest), stamp, acknowledgement));
                        continue;
                    }
                    _ => (stamp, acknowledgement),
                }
            }
            () = sleep_until(due), if !late.is_empty() => match late.pop_front() {
                Some((_, stamp, acknowledgement)) => (stamp, acknowledgement),
                None => continue,
            },
            () = sleep_until(end), if now == Phase::Working => return Ok(()),
            changed = phase.changed() => {
                changed?;
                // Messages that it has ignored come again in another session.
                if has_ignored {
                    return Ok(());
                }
                continue;
            }
        };
        if session.acknowledge(&acknowledgement).await?
            && let Some(stamp) = stamp
        {
            world.expectations.confirmed(stamp.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_protocols_are_used() {
        let count = |wanted| (0..20).filter(|number| protocol_of(*number) == wanted).count();
        let all = [Protocol::Autopush, Protocol::ServerPush, Protocol::Events, Protocol::Chromium];
        assert_eq!(all.map(count), [8, 5, 4, 3]);
    }
}
