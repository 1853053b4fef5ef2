//! Ways out of a sandbox, tried from the inside.

use std::collections::BTreeMap;

use gatewright_core::sandbox::{Network, SandboxSpec};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::rig::{Rig, inspect, spec};

#[tokio::test]
async fn there_is_no_way_to_any_network() {
    let rig = Rig::new();
    let host = TcpListener::bind("0.0.0.0:0").await.expect("a port is free");
    let port = host.local_addr().expect("it listens").port();
    let gateway = "172.17.0.1";
    let ran = rig
        .run(&format!(
            "cat /proc/net/route | wc -l; ls /sys/class/net; \
             for to in 127.0.0.1 {gateway}; do nc -w 2 $to {port} </dev/null && echo reached $to; done; \
             ping -c 1 -w 2 localhost.example.com && echo resolved; \
             wget -T 2 -q -O - http://1.1.1.1/ && echo fetched; true"
        ))
        .await;
    // The routing table is its heading, and the only interface the loopback.
    assert_eq!(ran.text.lines().next(), Some("1"), "{}", ran.text);
    assert!(ran.text.contains("\nlo\n") && !ran.text.contains("eth0"), "{}", ran.text);
    for way in ["reached", "resolved", "fetched"] {
        assert!(!ran.text.contains(way), "{}", ran.text);
    }
}

#[tokio::test]
async fn an_open_network_is_only_what_a_gate_asked_for() {
    let rig = Rig::new();
    let host = TcpListener::bind("0.0.0.0:0").await.expect("a port is free");
    let port = host.local_addr().expect("it listens").port();
    let sandbox = rig.open(&SandboxSpec { network: Network::Open, ..spec() }).await;
    let script = format!("ip route | grep default; echo hello | nc -w 5 $(ip route | awk '/default/ {{print $3}}') {port}");
    let accept = async {
        let mut text = String::new();
        host.accept().await.expect("it connects").0.read_to_string(&mut text).await.expect("it sends");
        text
    };
    let (ran, heard) = tokio::join!(rig.exec(&sandbox, &script), accept);
    assert_eq!((ran.code(), heard.as_str()), (0, "hello\n"), "{}", ran.text);
}

#[tokio::test]
async fn the_user_has_no_rights_and_gets_none() {
    let rig = Rig::new();
    let ran = rig
        .run(
            "id -u; id -g; id -G; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; \
             /opt/setuid/busybox id -u; /opt/setuid/busybox cat /proc/1/environ; chown 0 /workspace; mount -t tmpfs x /tmp; \
             unshare -U true; mknod /tmp/null c 1 3; dmesg | head -1; kill -9 1; kill -0 1; date -s 2000-01-01; hostname x",
        )
        .await;
    let lines: Vec<&str> = ran.text.lines().collect();
    assert_eq!(lines[..3], ["1000", "1000", "1000"], "{}", ran.text);
    for caps in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(ran.text.contains(&format!("{caps}:\t0000000000000000")), "{}", ran.text);
    }
    assert!(ran.text.contains("NoNewPrivs:\t1") && ran.text.contains("Seccomp:\t2"), "{}", ran.text);
    // A binary that belongs to root and carries its rights runs as the user all the same.
    assert!(lines.contains(&"1000") && !lines.contains(&"0"), "{}", ran.text);
    let refused = ran.text.matches("ermitted").count() + ran.text.matches("denied").count();
    assert!(refused >= 7, "{refused} refusals in: {}", ran.text);
}

#[tokio::test]
async fn nothing_but_the_workspace_and_tmp_can_be_written() {
    let rig = Rig::new();
    let ran = rig
        .run(
            "for d in / /bin /etc /root /home/gate /var /usr/bin /dev /proc/sys/kernel /sys/fs/cgroup /run; do \
               echo x > $d/canary 2>/dev/null && echo wrote $d; done; \
             echo x > /etc/passwd && echo wrote passwd; echo 1 > /proc/sys/kernel/panic && echo wrote sysctl; \
             echo x > /workspace/a && echo x > /tmp/a && echo x > $HOME/b && echo usual",
        )
        .await;
    assert!(!ran.text.contains("wrote"), "{}", ran.text);
    assert!(ran.text.ends_with("usual\n"), "{}", ran.text);
}

#[tokio::test]
async fn the_host_and_its_engine_are_not_to_be_seen() {
    let rig = Rig::new();
    let canary = rig.mirrors.path().join("canary");
    std::fs::write(&canary, "of the host").expect("the host's file can be written");
    let ran = rig
        .run(&format!(
            "cat {} ; ls /var/run/docker.sock /run/docker.sock /var/lib/docker; find / -name '*.sock' 2>/dev/null; \
             grep -c . /proc/sched_debug; cat /proc/kcore | head -c 1; ps | wc -l",
            canary.display()
        ))
        .await;
    assert!(!ran.text.contains("of the host"), "{}", ran.text);
    assert!(ran.text.matches("No such file").count() >= 4, "{}", ran.text);
    assert!(!ran.text.lines().any(|line| line.starts_with('/') && line.ends_with(".sock")), "{}", ran.text);
    let processes: u32 = ran.text.lines().last().and_then(|n| n.trim().parse().ok()).expect("ps counts");
    assert!(processes < 10, "only the sandbox's own processes are seen: {}", ran.text);
    assert_eq!(
        inspect(&rig.open(&spec()).await, "{{.HostConfig.Binds}} {{.HostConfig.PidMode}} {{.HostConfig.Privileged}}"),
        "[]  false"
    );
}

#[tokio::test]
async fn the_environment_is_what_the_gate_was_given() {
    let rig = Rig::new();
    // Cargo gives its tests variables of its own; so does whoever starts the service.
    let given = ["CI", "GATEWRIGHT", "HOME", "HOSTNAME", "PATH", "PWD", "SHLVL"];
    assert!(std::env::vars().any(|(name, _)| !given.contains(&name.as_str())), "there is something that could leak");
    let env = BTreeMap::from([("MINE".to_owned(), "a b\n$HOME".to_owned())]);
    let sandbox = rig.open(&SandboxSpec { env, ..spec() }).await;
    let ran = rig
        .exec(&sandbox, "printf '%s\\n' \"$MINE\"; unset MINE; env | cut -d= -f1 | sort | tr '\\n' ' '; cat /proc/1/environ")
        .await;
    assert!(ran.text.starts_with("a b\n$HOME\n"), "{}", ran.text);
    assert!(ran.text.contains(&format!("\n{} ", given.join(" "))), "{}", ran.text);
    assert!(ran.text.contains("Permission denied"), "{}", ran.text);
}

#[tokio::test]
async fn two_sandboxes_do_not_meet() {
    let rig = Rig::new();
    let (one, other) = (spec(), spec());
    let (one, other) = tokio::join!(rig.open(&one), rig.open(&other));
    rig.exec(&one, "echo mine > /workspace/a; echo mine > /tmp/a; echo mine > /dev/shm/a; (sleep 1000 &) >/dev/null 2>&1").await;
    let ran = rig.exec(&other, "ls /workspace /tmp /dev/shm; ps | grep -c '[s]leep 1000'").await;
    assert!(!ran.text.contains("a\n") && ran.text.ends_with("0\n"), "{}", ran.text);
}
