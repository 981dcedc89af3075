//! Password hashes: argon2id with the crate's defaults, which are OWASP's (19 MiB, two passes, one lane).

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Each takes 19 MiB and a core while it lasts. A crowd signing in at eight in the morning waits here for its turn instead of
/// taking the memory and the cores that the streams live on.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// How many may wait for their turn. Whoever finds the queue full is told to come back, instead of waiting a minute behind
/// a crowd of guesses.
static IN_THE_QUEUE: Semaphore = Semaphore::const_new(64);

/// The queue is full.
#[derive(Debug)]
pub struct Busy;

/// Of a password that nobody has: checked when an address is unknown, so that the answer takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash_now(&uuid::Uuid::new_v4().to_string()));

fn hash_now(password: &str) -> String {
    Argon2::default()
        .hash_password(password.as_bytes())
        .expect("a fresh salt and the default parameters are valid")
        .to_string()
}

fn is_right(password: &str, hash: &str) -> bool {
    // tests count it: the work is the same for every address, known or not
    tracing::trace!("a password is held against a hash");
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// The PHC string to keep.
pub async fn hash(password: String) -> String {
    on_a_thread_of_its_own(move || hash_now(&password)).await
}

/// Whether it is the password of the hash. Without a hash: no, after the same work.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, Busy> {
    let _place = IN_THE_QUEUE.try_acquire().map_err(|_| Busy)?;
    let is_right = on_a_thread_of_its_own(move || {
        // made on the first call, whoever it is for: else the first unknown address would be answered later than others
        let nobodys = LazyLock::force(&NOBODYS);
        match hash {
            Some(hash) => is_right(&password, &hash),
            None => {
                is_right(&password, nobodys);
                false
            }
        }
    });
    Ok(is_right.await)
}

async fn on_a_thread_of_its_own<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let _turn = AT_ONCE.acquire().await.expect("nobody closes it");
    tokio::task::spawn_blocking(work).await.expect("hashing neither panics nor is it aborted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_of_nobody_costs_as_much_as_that_of_somebody() {
        let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        let somebodys = hash("sandi yang panjang".into()).await;
        assert_eq!(cost(&NOBODYS), cost(&somebodys), "the algorithm, its version and its parameters");
        assert_eq!(cost(&somebodys)[1..], ["argon2id", "v=19", "m=19456,t=2,p=1"], "OWASP's least");
        assert!(!verify("sandi yang panjang".into(), None).await.unwrap());
        assert!(verify("sandi yang panjang".into(), Some(somebodys)).await.unwrap());
    }
}
