//! realtime

#[derive(Clone)]
pub struct Live;

impl Live {
    pub fn cursor(&self) -> String {
        String::new()
    }
}
