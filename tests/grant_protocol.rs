//! The refresh protocol as a small model, searched whole: two nodes, one row, a provider that rotates refresh tokens, a
//! crash at any step, answers that get lost. With all its rules every invariant holds; without any one of them one is
//! broken, so each of them is needed.
//!
//! The steps are those of `grant::refresh` and of the store's `begin_refresh`, `commit_refresh` and `mark_reauth`.

use stateright::{Checker as _, Model, Property};

/// What the protocol does; each can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    /// Whoever refreshes has taken the row's lease.
    lease: bool,
    /// A lease runs out only after every call made under it has ended.
    lease_outlasts_call: bool,
    /// A holder that was held up looks at the clock before it calls.
    clock_before_call: bool,
    /// The intent is stored before the provider is called.
    intent: bool,
    /// A write needs the epoch and the generation it began with.
    fence: bool,
    /// A token is used only once it is stored.
    persist_before_use: bool,
}

const ALL: Rules = Rules {
    lease: true,
    lease_outlasts_call: true,
    clock_before_call: true,
    intent: true,
    fence: true,
    persist_before_use: true,
};

#[derive(Debug, Clone)]
struct Protocol {
    rules: Rules,
    /// The provider still answers the token before the current one, with the current one.
    grace: bool,
    crashes: u8,
    losses: u8,
    stalls: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lease {
    Free,
    Held,
    RunOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Death {
    /// The provider refused a token that should have been good.
    Refused,
    /// Whether the token was spent was not known.
    LostRotation,
}

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    generation: u8,
    refresh: u8,
    epoch: u8,
    lease: Lease,
    intent: bool,
    dead: Option<Death>,
}

/// A node's refresh under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Turn {
    generation: u8,
    refresh: u8,
    epoch: u8,
    uncertain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Idle,
    /// Has the lease.
    Ready(Turn),
    /// Has sent the token.
    Calling(Turn),
    /// The provider has answered; the answer is on its way.
    Served(Turn, Option<u8>),
    /// Has the new token.
    Fresh(Turn, u8),
    /// Was refused.
    Refused(Turn),
    /// Uses the access token of this generation.
    Using(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Provider {
    current: u8,
    /// A spent token was presented: the whole grant is dead.
    killed: bool,
    spent: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    row: Row,
    provider: Provider,
    nodes: [Node; 2],
    crashes: u8,
    losses: u8,
    stalls: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    Begin(usize),
    Send(usize),
    Serve(usize),
    Receive(usize),
    /// The answer does not arrive.
    Lose(usize),
    Store(usize),
    /// Uses the token at once.
    UseEarly(usize),
    Bury(usize),
    Rest(usize),
    Crash(usize),
    /// The lease runs out.
    RunOut,
}

impl Provider {
    fn serve(&mut self, presented: u8, grace: bool) -> Option<u8> {
        if !self.killed && presented == self.current {
            self.current += 1;
            return Some(self.current);
        }
        if !self.killed && grace && presented + 1 == self.current {
            return Some(self.current);
        }
        self.spent += u8::from(presented != self.current);
        self.killed = true;
        None
    }
}

/// Whether the lease is still the one that was taken.
fn in_time(row: Row, turn: Turn) -> bool {
    row.lease == Lease::Held && row.epoch == turn.epoch
}

/// Whether the node is the one that has the row's lease.
fn holds(node: Node, row: Row) -> bool {
    match node {
        Node::Idle | Node::Using(_) => false,
        Node::Ready(turn)
        | Node::Calling(turn)
        | Node::Served(turn, _)
        | Node::Fresh(turn, _)
        | Node::Refused(turn) => turn.epoch == row.epoch,
    }
}

const LAST_GENERATION: u8 = 2;
/// Leases taken in one history: enough for every take-over that the crash and the loss can cause.
const LAST_EPOCH: u8 = 5;

impl Protocol {
    fn may_run_out(&self, world: &World) -> bool {
        let calls = world.nodes.iter().any(|node| matches!(node, Node::Calling(_) | Node::Served(..)));
        world.row.lease == Lease::Held && !(self.rules.lease_outlasts_call && calls)
    }

    fn begin(&self, world: &mut World, node: usize) -> Option<()> {
        let row = &mut world.row;
        let free = row.lease != Lease::Held || !self.rules.lease;
        if row.dead.is_some() || !free || row.generation >= LAST_GENERATION || row.epoch >= LAST_EPOCH {
            return None;
        }
        let uncertain = row.intent;
        row.epoch += 1;
        row.lease = Lease::Held;
        row.intent = self.rules.intent;
        let turn = Turn { generation: row.generation, refresh: row.refresh, epoch: row.epoch, uncertain };
        world.nodes[node] = Node::Ready(turn);
        Some(())
    }

    fn owns(&self, row: Row, turn: Turn) -> bool {
        !self.rules.fence || (row.epoch == turn.epoch && row.generation == turn.generation)
    }

    fn take(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::Begin(node) if matches!(world.nodes[node], Node::Idle | Node::Using(_)) => {
                self.begin(world, node)?
            }
            Action::RunOut if self.may_run_out(world) => {
                // Of a holder that crashed, or of one that was held up: a stopped process, a store that does not answer.
                world.stalls += u8::from(world.nodes.iter().any(|node| holds(*node, world.row)));
                world.row.lease = Lease::RunOut;
                (world.stalls <= self.stalls).then_some(())?;
            }
            Action::Send(node) => match world.nodes[node] {
                // Without a lease there is none that could have run out.
                Node::Ready(turn) if self.rules.lease && self.rules.clock_before_call && !in_time(world.row, turn) => {
                    world.nodes[node] = Node::Idle;
                }
                Node::Ready(turn) => world.nodes[node] = Node::Calling(turn),
                _ => return None,
            },
            Action::Serve(node) => match world.nodes[node] {
                Node::Calling(turn) => {
                    world.nodes[node] = Node::Served(turn, world.provider.serve(turn.refresh, self.grace));
                }
                _ => return None,
            },
            Action::Receive(node) => match world.nodes[node] {
                Node::Served(turn, Some(fresh)) => world.nodes[node] = Node::Fresh(turn, fresh),
                Node::Served(turn, None) => world.nodes[node] = Node::Refused(turn),
                _ => return None,
            },
            Action::Lose(node) if world.losses < self.losses => match world.nodes[node] {
                Node::Calling(turn) | Node::Served(turn, _) => {
                    world.losses += 1;
                    world.nodes[node] = self.lost(&mut world.row, turn);
                }
                _ => return None,
            },
            Action::Store(node) => match world.nodes[node] {
                Node::Fresh(turn, fresh) if self.owns(world.row, turn) => {
                    let generation = turn.generation + 1;
                    world.row.generation = generation;
                    world.row.refresh = fresh;
                    world.row.lease = Lease::Free;
                    world.row.intent = false;
                    world.nodes[node] = Node::Using(generation);
                }
                Node::Fresh(..) => world.nodes[node] = Node::Idle,
                _ => return None,
            },
            Action::UseEarly(node) if !self.rules.persist_before_use => match world.nodes[node] {
                Node::Fresh(turn, _) => world.nodes[node] = Node::Using(turn.generation + 1),
                _ => return None,
            },
            Action::Bury(node) => match world.nodes[node] {
                Node::Refused(turn) => {
                    if self.owns(world.row, turn) {
                        let death = if turn.uncertain { Death::LostRotation } else { Death::Refused };
                        world.row.dead = Some(death);
                        world.row.lease = Lease::Free;
                    }
                    world.nodes[node] = Node::Idle;
                }
                _ => return None,
            },
            Action::Rest(node) if matches!(world.nodes[node], Node::Using(_)) => world.nodes[node] = Node::Idle,
            Action::Crash(node) if world.crashes < self.crashes && world.nodes[node] != Node::Idle => {
                world.crashes += 1;
                world.nodes[node] = Node::Idle;
            }
            _ => return None,
        }
        Some(())
    }

    /// One replay with the same token; then the lease is given back, the intent left standing.
    fn lost(&self, row: &mut Row, turn: Turn) -> Node {
        if !turn.uncertain {
            return Node::Ready(Turn { uncertain: true, ..turn });
        }
        if self.owns(*row, turn) {
            row.lease = Lease::Free;
        }
        Node::Idle
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let row = Row { generation: 0, refresh: 0, epoch: 0, lease: Lease::Free, intent: false, dead: None };
        let provider = Provider { current: 0, killed: false, spent: 0 };
        vec![World { row, provider, nodes: [Node::Idle; 2], crashes: 0, losses: 0, stalls: 0 }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let of_node = [
            Action::Begin,
            Action::Send,
            Action::Serve,
            Action::Receive,
            Action::Lose,
            Action::Store,
            Action::UseEarly,
            Action::Bury,
            Action::Rest,
            Action::Crash,
        ];
        let all = (0..2).flat_map(|node| of_node.map(|action| action(node))).chain([Action::RunOut]);
        actions.extend(all.filter(|&action| self.take(&mut world.clone(), action).is_some()));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.take(&mut next, action).map(|()| next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one call at a time", |_, world: &World| {
                world.nodes.iter().filter(|node| matches!(node, Node::Calling(_))).count() <= 1
            }),
            Property::always("a spent token is presented only after a crash, a loss or a stall", |_, world: &World| {
                world.provider.spent <= world.crashes + world.losses + world.stalls
            }),
            Property::always("stored before used", |_, world: &World| {
                world.nodes.iter().all(|node| !matches!(node, Node::Using(used) if *used > world.row.generation))
            }),
            Property::always("no rotation is lost", |_, world: &World| {
                let quiet = world.nodes.iter().all(|node| matches!(node, Node::Idle | Node::Using(_)));
                let settled = quiet && world.row.lease == Lease::Free && !world.row.intent && world.row.dead.is_none();
                !settled || world.row.refresh == world.provider.current
            }),
            Property::always("nobody is said to have revoked what nobody revoked", |_, world: &World| {
                world.row.dead != Some(Death::Refused)
            }),
            Property::always(
                "what a provider with a grace period honours is never given up",
                |model: &Self, world: &World| !model.grace || world.row.dead.is_none(),
            ),
            Property::sometimes("a grant is refreshed again and again", |_, world: &World| {
                world.row.generation == LAST_GENERATION
            }),
            Property::sometimes("the second node takes over", |_, world: &World| world.row.epoch >= 2),
        ]
    }
}

/// The invariants that are broken.
fn broken(rules: Rules, grace: bool) -> Vec<&'static str> {
    let model = Protocol { rules, grace, crashes: 1, losses: 1, stalls: 1 };
    let checker = model.checker().threads(2).spawn_bfs().join();
    assert!(checker.unique_state_count() > 500, "{}", checker.unique_state_count());
    let sometimes = ["a grant is refreshed again and again", "the second node takes over"];
    let mut names: Vec<&str> = checker.discoveries().into_keys().collect();
    assert!(sometimes.iter().all(|name| names.contains(name)), "{names:?}");
    names.retain(|name| !sometimes.contains(name));
    names
}

#[test]
fn with_all_its_rules_the_protocol_keeps_every_promise() {
    for grace in [false, true] {
        assert_eq!(broken(ALL, grace), [""; 0], "grace {grace}");
    }
}

#[test]
fn each_rule_is_needed() {
    for (rules, grace, promise) in [
        (Rules { lease: false, ..ALL }, false, "one call at a time"),
        (Rules { lease_outlasts_call: false, ..ALL }, false, "one call at a time"),
        (Rules { clock_before_call: false, ..ALL }, false, "one call at a time"),
        (Rules { intent: false, ..ALL }, false, "nobody is said to have revoked what nobody revoked"),
        (Rules { fence: false, ..ALL }, true, "no rotation is lost"),
        (Rules { persist_before_use: false, ..ALL }, false, "stored before used"),
    ] {
        let broken = broken(rules, grace);
        assert!(broken.contains(&promise), "{rules:?}: {broken:?}");
    }
}
