//! From costs to machines.

use anyhow::{Result, ensure};

use super::inputs::Inputs;

/// The size of the service.
#[derive(Clone, Copy)]
pub(super) struct Demand {
    /// Connected agents.
    pub(super) agents: f64,
    /// Messages per second.
    pub(super) messages: f64,
}

/// Nodes, without the balancer.
#[derive(Debug)]
pub(super) struct NodePlan {
    /// With one in reserve.
    pub(super) count: f64,
    /// Busy cores of all nodes.
    pub(super) busy_cores: f64,
    /// Busy cores of each that hear of messages elsewhere.
    pub(super) notice_cores: f64,
    pub(super) agents_each: f64,
    /// GB of each, for its agents.
    pub(super) memory_each: f64,
}

/// Cells: each a primary with its standbys.
#[derive(Debug)]
pub(super) struct CellPlan {
    pub(super) count: f64,
    /// The need that decides their number.
    pub(super) because: &'static str,
    /// Busy cores of each primary.
    pub(super) primary_cores: f64,
    /// Busy cores of each standby.
    pub(super) standby_cores: f64,
    /// Messages stored in all cells.
    pub(super) stored: f64,
    /// GB on each server.
    pub(super) disk: f64,
    /// GB on each server that should be in memory.
    pub(super) memory: f64,
    /// MB/s that each primary writes, and sends to each standby.
    pub(super) wal: f64,
    /// Connections of nodes to each primary.
    pub(super) connections: f64,
}

/// A reconnect storm.
#[derive(Debug)]
pub(super) struct Storm {
    pub(super) agents: f64,
    /// Seconds that the nodes need for it.
    pub(super) nodes: f64,
    /// Seconds that the primaries need.
    pub(super) primaries: f64,
}

/// The machines of a service.
pub(super) struct Plan {
    pub(super) nodes: NodePlan,
    pub(super) cells: CellPlan,
    /// Agents of one node.
    pub(super) one_node: Storm,
    /// All agents.
    pub(super) all: Storm,
}

const GIGA: f64 = 1e9;
const MEGA: f64 = 1e6;
/// Seconds in a microsecond.
const MICRO: f64 = 1e-6;
/// Of the memory of a node, for agents; the rest is for the kernel, buffers under way and growth.
const MEMORY_SHARE: f64 = 0.6;
/// Connections of a node to a cell.
const CONNECTIONS: f64 = 8.0;

impl Plan {
    pub(super) fn make(demand: Demand, inputs: &Inputs) -> Result<Self> {
        let nodes = NodePlan::make(demand, inputs)?;
        let cells = CellPlan::make(demand, &nodes, inputs)?;
        let one_node = Storm::of_agents(nodes.agents_each, nodes.count - 1.0, &nodes, &cells, inputs)?;
        let all = Storm::of_agents(demand.agents, nodes.count, &nodes, &cells, inputs)?;
        Ok(Self { nodes, cells, one_node, all })
    }
}

impl NodePlan {
    fn make(demand: Demand, inputs: &Inputs) -> Result<Self> {
        let Demand { agents, messages } = demand;
        let usable = inputs.get("node_cores")? * inputs.get("utilization")?;
        // Each node hears of all messages that other nodes accept.
        let notice_cores = messages * inputs.get("node_cpu_per_notice")? * MICRO;
        ensure!(notice_cores < usable, "one node cannot even be told of all messages");
        let reconnect = inputs.get("node_cpu_per_handshake")? + inputs.get("node_cpu_per_reconnect")?;
        // Of a large service, nearly all messages are accepted at another node than that of their agent.
        let message = inputs.get("node_cpu_per_message")? + inputs.get("node_cpu_per_crossing")?;
        let own = messages * message * MICRO + agents / inputs.get("session")? * reconnect * MICRO;
        let each = inputs.get("node_memory_per_agent")? + inputs.get("kernel_memory_per_agent")?;
        let memory = agents * each / GIGA;
        let by_cores = own / (usable - notice_cores);
        let by_memory = memory / (inputs.get("node_memory")? * MEMORY_SHARE);
        let by_agents = agents / inputs.get("node_agents")?;
        let working = by_cores.max(by_memory).max(by_agents).ceil().max(2.0);
        Ok(Self {
            count: working + 1.0,
            busy_cores: own + notice_cores * working,
            notice_cores,
            agents_each: agents / (working + 1.0),
            memory_each: memory / (working + 1.0),
        })
    }
}

impl CellPlan {
    fn make(demand: Demand, nodes: &NodePlan, inputs: &Inputs) -> Result<Self> {
        let Demand { agents, messages } = demand;
        let message = inputs.get("primary_cpu_per_message")?
            + inputs.get("primary_cpu_per_crossing")?
            + nodes.count * inputs.get("primary_cpu_per_notice")?;
        let reconnects = agents / inputs.get("session")? * inputs.get("primary_cpu_per_reconnect")?;
        let cores = (messages * message + reconnects) * MICRO;
        let more_body = (inputs.get("body")? - inputs.get("measured_body")?).max(0.0);
        let wal = messages * (inputs.get("wal_per_message")? + more_body) / MEGA;
        let stored = messages * inputs.get("absent_share")? * inputs.get("wait")?;
        let subscriptions = agents * inputs.get("subscriptions_per_agent")?;
        let of_agents =
            agents * inputs.get("disk_per_agent")? + subscriptions * inputs.get("disk_per_subscription")?;
        let of_messages = stored * (inputs.get("disk_per_message")? + more_body);
        let bloat = inputs.get("bloat")?;
        let disk = (of_agents + of_messages) * bloat / GIGA;
        let needs = [
            (
                cores / (inputs.get("database_cores")? * inputs.get("utilization")?),
                "processor of the primary",
            ),
            (wal / inputs.get("wal_limit")?, "WAL"),
            (disk / (inputs.get("disk_limit")? - inputs.get("wal_kept")?).max(1.0), "disk"),
        ];
        let (most, because) =
            needs.into_iter().fold((0.0, ""), |most, need| if need.0 > most.0 { need } else { most });
        let count = most.ceil().max(1.0);
        Ok(Self {
            count,
            because,
            primary_cores: cores / count,
            standby_cores: messages * inputs.get("standby_cpu_per_message")? * MICRO / count,
            stored,
            disk: disk / count + inputs.get("wal_kept")?,
            memory: (of_agents + stored * inputs.get("index_per_message")?) * bloat / GIGA / count,
            wal: wal / count,
            connections: nodes.count * CONNECTIONS,
        })
    }
}

impl Storm {
    /// Of agents that connect to `count` nodes at once, while the usual messages are served.
    fn of_agents(
        agents: f64,
        count: f64,
        nodes: &NodePlan,
        cells: &CellPlan,
        inputs: &Inputs,
    ) -> Result<Self> {
        let free = |cores: f64, busy: f64| (cores - busy).max(cores * 0.1);
        let node_cores = free(inputs.get("node_cores")? * count, nodes.busy_cores);
        let primary_cores = free(inputs.get("database_cores")?, cells.primary_cores) * cells.count;
        let node = inputs.get("node_cpu_per_handshake")? + inputs.get("node_cpu_per_reconnect")?;
        let primary = inputs.get("primary_cpu_per_reconnect")?;
        Ok(Self {
            agents,
            nodes: agents * node * MICRO / node_cores,
            primaries: agents * primary * MICRO / primary_cores,
        })
    }
}
