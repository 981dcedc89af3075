//! Many questions of one kind, asked at about the same time, become one statement. After a restart ten thousand browsers come
//! back within seconds, and each asks who it is and what it has missed: asked one by one that would be tens of thousands
//! of statements.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What all who asked together get.
pub type Answer<A> = Result<Arc<A>, Arc<sqlx::Error>>;

type Asked<Q, A> = (Q, oneshot::Sender<Answer<A>>);

/// Where to ask. One task answers ([`gather`]), one statement at a time; who asks meanwhile is answered by the next.
pub struct Gather<Q, A> {
    asked: mpsc::Sender<Asked<Q, A>>,
}

impl<Q, A> Clone for Gather<Q, A> {
    fn clone(&self) -> Self {
        Self { asked: self.asked.clone() }
    }
}

impl<Q, A> Gather<Q, A> {
    /// The answer comes from a statement that began after this call: what was committed before it is in it.
    ///
    /// # Errors
    /// The database did not answer, or nobody answers any more because the process ends.
    pub async fn ask(&self, question: Q) -> Answer<A> {
        let (answer, answered) = oneshot::channel();
        self.asked.send((question, answer)).await.map_err(|_| Arc::new(sqlx::Error::PoolClosed))?;
        answered.await.map_err(|_| Arc::new(sqlx::Error::PoolClosed))?
    }
}

/// At most so many questions in one statement; who asks beyond it waits for the next one.
const MOST: usize = 4_096;

/// More than this at once is a crowd: it is let gather for a moment, so that a storm costs a hundred statements a second and
/// not a thousand. Whoever comes alone never waits.
const CROWD: usize = 8;
const PACE: Duration = Duration::from_millis(10);

/// Longer than the pool lets a statement take. A connection over a cut network would otherwise hold up all who ask after.
const LONGEST: Duration = Duration::from_secs(16);

/// Where to ask, and the task that answers by `answer`: it ends when nobody can ask any more.
pub fn gather<Q, A, F, Answering>(answer: F) -> (Gather<Q, A>, impl Future<Output = ()> + Send)
where
    Q: Send + 'static,
    A: Send + Sync + 'static,
    F: Fn(Vec<Q>) -> Answering + Send + 'static,
    Answering: Future<Output = sqlx::Result<A>> + Send,
{
    // Full: who asks waits to ask. There are no more than requests at a time.
    let (sender, mut asked) = mpsc::channel::<Asked<Q, A>>(MOST);
    let answering = async move {
        let mut crowd = Vec::new();
        while asked.recv_many(&mut crowd, MOST).await > 0 {
            let began = Instant::now();
            let (questions, waiting): (Vec<Q>, Vec<_>) = crowd.drain(..).unzip();
            let answered = tokio::time::timeout(LONGEST, answer(questions)).await;
            let answer: Answer<A> = answered.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(Arc::new).map_err(Arc::new);
            let is_crowd = waiting.len() > CROWD;
            for asker in waiting {
                // gone meanwhile: a browser that was closed
                let _ = asker.send(answer.clone());
            }
            if is_crowd {
                tokio::time::sleep_until(began + PACE).await;
            }
        }
    };
    (Gather { asked: sender }, answering)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_crowd_is_answered_together_and_everyone_after_they_asked() {
        let asked_for: Arc<AtomicUsize> = Arc::default();
        let (ask, answering) = gather({
            let statements = asked_for.clone();
            move |questions: Vec<usize>| {
                statements.fetch_add(1, Ordering::Relaxed);
                async move { Ok(questions.into_iter().collect::<HashSet<usize>>()) }
            }
        });
        let answering = tokio::spawn(answering);
        let mut crowd = tokio::task::JoinSet::new();
        for question in 0..5_000 {
            let ask = ask.clone();
            // an answer that does not know the question was made before it was asked
            crowd.spawn(async move { assert!(ask.ask(question).await.unwrap().contains(&question)) });
        }
        crowd.join_all().await;
        let statements = asked_for.load(Ordering::Relaxed);
        assert!(statements <= 50, "{statements} statements for 5000 questions");
        drop(ask);
        answering.await.unwrap();
    }

    #[tokio::test]
    async fn an_error_reaches_all_who_asked_and_the_next_are_answered() {
        let (ask, answering) = gather(|questions: Vec<bool>| async move {
            if questions.contains(&false) { Err(sqlx::Error::RowNotFound) } else { Ok(()) }
        });
        let _answering = tokio::spawn(answering);
        assert!(
            matches!(ask.ask(false).await.map_err(|error| error.to_string()), Err(said) if said.contains("no rows"))
        );
        assert!(ask.ask(true).await.is_ok());
    }

    #[tokio::test]
    async fn when_nobody_answers_any_more_it_is_said() {
        let (ask, answering) = gather(|_: Vec<()>| async { Ok(()) });
        drop(answering);
        assert!(matches!(ask.ask(()).await.as_deref(), Err(error) if matches!(**error, sqlx::Error::PoolClosed)));
    }
}
