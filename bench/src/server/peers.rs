//! Postfix and Dovecot together: what most sites of today run.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{Kakitome, Ports, Server, dovecot, output, postfix};
use crate::Outcome;

/// Configures both below `directory`. The certificate is the one of the Kakitome site in `site`.
pub(crate) fn peers(directory: &Path, port_base: u16, sink: u16, site: &Path) -> Outcome<Server> {
    fs::create_dir(directory)?;
    // Their own users must reach their directories; the place holds no secret.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let (certificate, key) = Kakitome::certificate(site);
    fs::copy(certificate, directory.join("tls.crt"))?;
    fs::copy(key, directory.join("tls.key"))?;
    let ports = Ports::at(port_base);
    let dovecot_version = output("/usr/sbin/dovecot", &["--version"])?;
    let postfix_version = output("/usr/sbin/postconf", &["-h", "-d", "mail_version"])?;
    let version = format!("Postfix {postfix_version}, Dovecot {dovecot_version}");
    let mut server = Server::new("postfix+dovecot", ports, directory, version);
    dovecot::configure(directory, ports)?;
    let file = directory.join("dovecot.conf").display().to_string();
    server.program(&["/usr/sbin/dovecot", "-F", "-c", &file]);
    postfix::configure(directory, ports, sink)?;
    let folder = directory.join("postfix").display().to_string();
    // Makes the queue's directories with their owners.
    output("/usr/sbin/postfix", &["-c", &folder, "check"])?;
    server.program(&["/usr/lib/postfix/sbin/master", "-c", &folder, "-d"]);
    Ok(server)
}

/// The ids of a user of the system.
pub(super) fn user(name: &str) -> Outcome<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))
        .ok_or_else(|| format!("there is no user {name}; bench/run installs what is needed"))?;
    let mut fields = line.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok((user, group)),
        _ => Err(format!("/etc/passwd: {line}").into()),
    }
}
