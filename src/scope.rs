//! Who may see what: the one place that decides it, for pages, writes and streams alike.

use crate::ids::{BranchId, UserId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    SuperAdmin,
    Admin,
    Kasir,
}

impl Role {
    /// As in the database and in forms.
    pub fn name(self) -> &'static str {
        match self {
            Self::SuperAdmin => "super_admin",
            Self::Admin => "admin",
            Self::Kasir => "kasir",
        }
    }

    /// The word for it on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::SuperAdmin => "Pusat",
            Self::Admin => "Admin cabang",
            Self::Kasir => "Kasir",
        }
    }
}

/// The branches a viewer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Branches {
    All,
    One(BranchId),
}

impl Branches {
    pub fn contain(self, branch: BranchId) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == branch,
        }
    }

    /// The one branch, for SQL that reads `$1 IS NULL OR branch_id = $1`.
    pub fn one(self) -> Option<BranchId> {
        match self {
            Self::All => None,
            Self::One(branch) => Some(branch),
        }
    }
}

/// Somebody signed in, as the database says of them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    /// The branch they work in; none for a super admin.
    pub home: Option<BranchId>,
    /// What a super admin chose in the branch switcher. It narrows, and is ignored for everyone else.
    pub chosen: Option<BranchId>,
}

impl Viewer {
    pub fn branches(&self) -> Branches {
        match (self.role, self.home, self.chosen) {
            (Role::SuperAdmin, _, Some(chosen)) => Branches::One(chosen),
            (Role::SuperAdmin, _, None) => Branches::All,
            (_, Some(home), _) => Branches::One(home),
            // The database forbids it (users_branch_by_role). If it happens all the same: a branch that does not exist.
            (_, None, _) => Branches::One(BranchId(0)),
        }
    }

    pub fn may_see(&self, branch: BranchId) -> bool {
        self.branches().contain(branch)
    }

    /// Stock, prices, announcements: admins of the branch and super admins.
    pub fn may_manage(&self, branch: BranchId) -> bool {
        self.role != Role::Kasir && self.may_see(branch)
    }

    /// Accounts: an admin looks after those of their branch, a super admin after all that they see.
    pub fn may_manage_people(&self) -> bool {
        self.role != Role::Kasir
    }

    /// The account of somebody with this role, in this branch. That of a super admin is a super admin's matter.
    pub fn may_manage_account(&self, role: Role, branch: Option<BranchId>) -> bool {
        match (role, branch) {
            (Role::SuperAdmin, _) | (_, None) => self.role == Role::SuperAdmin && self.branches() == Branches::All,
            (_, Some(branch)) => self.may_manage(branch),
        }
    }

    /// The roles they may give to others.
    pub fn may_appoint(&self) -> &'static [Role] {
        match (self.role, self.branches()) {
            (Role::SuperAdmin, Branches::All) => &[Role::Kasir, Role::Admin, Role::SuperAdmin],
            (Role::SuperAdmin, Branches::One(_)) | (Role::Admin, _) => &[Role::Kasir, Role::Admin],
            (Role::Kasir, _) => &[],
        }
    }

    /// Branches, rates: what holds for the whole chain.
    pub fn may_manage_chain(&self) -> bool {
        self.role == Role::SuperAdmin
    }

    /// A message to a branch, or (none) to all of them. What a super admin looks at does not narrow whom they write to.
    pub fn may_announce_to(&self, branch: Option<BranchId>) -> bool {
        match self.role {
            Role::SuperAdmin => true,
            Role::Admin => branch.is_some() && branch == self.home,
            Role::Kasir => false,
        }
    }

    /// Figures over many days, and of colleagues.
    pub fn may_read_reports(&self) -> bool {
        self.role != Role::Kasir
    }

    /// Whose takings: a kasir reads the omset of their own sales, the others that of the branch.
    pub fn omset_of(&self) -> Option<UserId> {
        (self.role == Role::Kasir).then_some(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(role: Role, home: Option<i64>, chosen: Option<i64>) -> Viewer {
        Viewer { id: UserId(1), name: String::new(), role, home: home.map(BranchId), chosen: chosen.map(BranchId) }
    }

    #[test]
    fn a_choice_narrows_and_never_widens() {
        assert_eq!(viewer(Role::Kasir, Some(1), Some(2)).branches(), Branches::One(BranchId(1)));
        assert_eq!(viewer(Role::Admin, Some(1), Some(2)).branches(), Branches::One(BranchId(1)));
        assert_eq!(viewer(Role::SuperAdmin, None, Some(2)).branches(), Branches::One(BranchId(2)));
        assert_eq!(viewer(Role::SuperAdmin, None, None).branches(), Branches::All);
    }

    #[test]
    fn an_admin_looks_after_the_people_of_the_branch_and_no_others() {
        let (pusat, admin, kasir) = (
            viewer(Role::SuperAdmin, None, None),
            viewer(Role::Admin, Some(1), None),
            viewer(Role::Kasir, Some(1), None),
        );
        for role in [Role::Kasir, Role::Admin] {
            assert!(pusat.may_manage_account(role, Some(BranchId(1))) && pusat.may_appoint().contains(&role));
            assert!(admin.may_manage_account(role, Some(BranchId(1))) && admin.may_appoint().contains(&role));
            assert!(!admin.may_manage_account(role, Some(BranchId(2))));
            assert!(!kasir.may_manage_account(role, Some(BranchId(1))));
        }
        assert!(pusat.may_manage_account(Role::SuperAdmin, None) && pusat.may_appoint().contains(&Role::SuperAdmin));
        for other in [admin, kasir] {
            assert!(
                !other.may_manage_account(Role::SuperAdmin, None) && !other.may_appoint().contains(&Role::SuperAdmin)
            );
        }
    }

    #[test]
    fn nobody_without_a_branch_sees_a_branch() {
        assert!(!viewer(Role::Kasir, None, None).may_see(BranchId(1)));
        assert!(!viewer(Role::Kasir, Some(1), None).may_manage(BranchId(1)));
    }
}
