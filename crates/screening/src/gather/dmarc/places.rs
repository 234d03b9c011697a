//! Where a domain wants reports to go, and whether whoever they go to wants them (RFC 9990, section 4).

use message::Domain;

use super::{Answer, DmarcRecord, Dns, Screener, Trouble};
use crate::dmarc_record::ReportPlace;

/// A record, and where reports about it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRequest {
    /// The record at the domain itself.
    pub record: DmarcRecord,
    /// Places that want reports.
    pub places: Vec<ReportPlace>,
    /// Places elsewhere that did not say that they want them: nothing may go there.
    pub unconfirmed: Vec<ReportPlace>,
}

/// The DNS could not be asked; it may be later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DNS cannot be asked now")]
pub struct DnsTrouble;

impl From<Trouble> for DnsTrouble {
    fn from(_: Trouble) -> Self {
        Self
    }
}

impl Screener {
    /// What the record at `domain` asks for in the way of reports; `None` when there is no record any more, or several.
    ///
    /// # Errors
    /// [`DnsTrouble`].
    pub async fn report_request(
        &self,
        domain: &Domain,
    ) -> Result<Option<ReportRequest>, DnsTrouble> {
        let Some(record) = self.record_at(domain.as_str()).await? else {
            return Ok(None);
        };
        let mut request = ReportRequest {
            places: Vec::new(),
            unconfirmed: Vec::new(),
            record,
        };
        for place in &request.record.reports {
            match self.confirmed(domain, place).await? {
                Some(confirmed) => request.places.extend(confirmed),
                None => request.unconfirmed.push(place.clone()),
            }
        }
        let mut seen = Vec::new();
        request.places.retain(|place| {
            let fresh = !seen.contains(&place.address);
            seen.push(place.address.clone());
            fresh
        });
        Ok(Some(request))
    }

    /// The places that stand for this one. `None`: it is another organisation's, which does not say that it wants reports.
    async fn confirmed(
        &self,
        domain: &Domain,
        place: &ReportPlace,
    ) -> Result<Option<Vec<ReportPlace>>, Trouble> {
        let host = place.address.domain();
        if host == domain || self.is_same_organisation(domain, host).await? {
            return Ok(Some(vec![place.clone()]));
        }
        let name = format!("{domain}._report._dmarc.{host}");
        let texts = match self.txt(&name).await {
            Answer::Found(texts) => texts,
            Answer::Nothing => return Ok(None),
            Answer::Trouble => return Err(Trouble),
        };
        let mut records = texts.iter().filter_map(|text| DmarcRecord::parse(text));
        let Some(first) = records.next() else {
            return Ok(None);
        };
        if first.reports.is_empty() {
            return Ok(Some(vec![place.clone()]));
        }
        // Whoever is asked may name another address of its own, and of nobody else.
        let is_own = |other: &ReportPlace| other.address.domain() == host;
        let all_own = first.reports.iter().all(is_own);
        Ok(all_own.then_some(first.reports))
    }

    async fn is_same_organisation(&self, one: &Domain, other: &Domain) -> Result<bool, Trouble> {
        let one = self.walk(one).await?.organisation;
        Ok(one == self.walk(other).await?.organisation)
    }
}
