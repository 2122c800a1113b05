"""The words of the privacy notice in Finnish. Which sentence belongs where: domain/notice.py."""

from ari_recorder.domain.notice_en import Words

WORDS = Words(
    title="Tietosuojaseloste: puhelutallenteet",
    headings=(
        "Rekisterin nimi",
        "Rekisterinpitäjä",
        "Rekisterin vastuuhenkilö",
        "Yhteyshenkilö rekisteriä koskevissa asioissa",
        "Tietosuojavastaava",
        "Henkilötietojen säilytysaika",
        "Henkilötietojen käsittelyn tarkoitus ja oikeusperuste",
        "Rekisterin tietosisältö",
        "Säännönmukaiset tietolähteet",
        "Tietojen säännönmukaiset luovutukset",
        "Tietojen siirto Euroopan unionin tai Euroopan talousalueen ulkopuolelle",
        "Rekisterin suojauksen periaatteet",
        "Automaattinen päätöksenteko",
        "Oikeus tarkastaa tiedot",
        "Oikeus vaatia tiedon oikaisemista",
        "Suostumuksen peruuttaminen",
        "Muut oikeudet",
        "Oikeus valittaa valvontaviranomaiselle",
        "Muut tiedot",
        "Rekisterihallinto",
    ),
    months=("1 kuukausi", "{count} kuukautta"),
    days=("1 päivä", "{count} päivää"),
    together=" ja ",
    sentences={
        "missing": "ei vielä ilmoitettu",
        "kept": "Tallenteella on säilytysaika, joka lasketaan kalenterin mukaan puhelun päivästä:",
        "destroyed": "Kun säilytysaika on päättynyt, palvelu tuhoaa tallenteen itse: ensin avaimen, jolla se on "
        "salattu, ja sitten tiedoston. Salattu kopio voi olla varmuuskopioissa vielä sen jälkeen, enintään: {backups}.",
        "held": "Esihenkilö voi päättää, että vakavan uhkauksen sisältävä puhelu säilytetään pidempään jatkotoimia "
        "varten. Päätöksellä on syy, vastuuhenkilö ja enintään kahdentoista kuukauden päässä oleva päivä, jona se "
        "tarkistetaan.",
        "undecided": "Puhelu, jonka neuvoja on merkinnyt uhkaavaksi ja josta esihenkilö ei ole päättänyt, säilytetään "
        "säilytysajan päätyttyä enintään: {grace}.",
        "frozen": "Tallenteita, joita avoin pyyntö koskee, ei tuhota ennen kuin pyyntö on käsitelty.",
        "quarantine": "Ääni, jonka kohdalla mikään ei osoita, että soittajalle kerrottiin tallennuksesta, suljetaan "
        "eristykseen. Kukaan ei voi kuunnella sitä, ja se tuhotaan, kun tämä aika on kulunut: {days}.",
        "purpose": "Tässä mainittuihin asiakaspalvelulinjoihin soitetut puhelut tallennetaan kahta tarkoitusta varten:",
        "safety": "neuvojien turvallisuus",
        "quality": "asiakaspalvelun laatu.",
        "announced": "Tallennuksesta kerrotaan soittajalle suomeksi, ruotsiksi tai englanniksi ennen kuin se alkaa. "
        "Jos soittaja ei halua, että puhelu tallennetaan, hän sanoo sen neuvojalle, joka lopettaa tallennuksen. "
        "Siihen mennessä tallennettu osa puhelusta tuhotaan.",
        "bases": "Käsittelyn oikeusperuste on:",
        "public-task": "yleistä etua koskeva tehtävä (tietosuoja-asetuksen 6 artiklan 1 kohdan e alakohta)",
        "legitimate-interest": "rekisterinpitäjän oikeutettu etu, joka koskee henkilöstön turvallisuutta ja palvelun "
        "laatua (tietosuoja-asetuksen 6 artiklan 1 kohdan f alakohta)",
        "consent": "soittajan suostumus (tietosuoja-asetuksen 6 artiklan 1 kohdan a alakohta)",
        "listeners": "Tallenteita kuuntelevat vain henkilöt, joille on annettu siihen oikeus, ja he ilmoittavat joka "
        "kerta kuuntelun tarkoituksen.",
        "content": "Rekisterissä on se, mitä puhelun aikana puhutaan.",
        "beside": "Jokaisesta tallenteesta rekisterissä on lisäksi:",
        "caller": "soittajan puhelinnumero ja nimi, kuten puhelinvaihde ne välittää",
        "call": "puhelun aika ja kesto sekä numero, johon soitettiin",
        "agents": "puheluun vastanneet neuvojat",
        "marks": "neuvojan puhelun aikana tekemät merkinnät ja tieto siitä, että tiedote tallennuksesta kuultiin.",
        "derived": "Äänestä ei tehdä muuta kuin kuva sen voimakkuudesta, joka auttaa löytämään kohdan tallenteesta: "
        "ei tekstiä, ei äänitunnistetta, ei profiilia.",
        "sources": "Tiedot saadaan asiakaspalveluun soittavilta ja puhelinvaihteesta, joka yhdistää puhelut. Muita "
        "tietolähteitä ei ole.",
        "disclosures": "Tietoja ei luovuteta säännönmukaisesti.",
        "disclosed": "Yksittäinen tallenne voidaan luovuttaa vain lain nojalla. Vastaanottaja ja syy kirjataan "
        "etukäteen, ja jokainen luovutus on luovutuslokissa.",
        "disclosed_by_two": "Yksittäinen tallenne voidaan luovuttaa vain lain nojalla. Vastaanottaja ja syy kirjataan "
        "etukäteen, toisen henkilön on hyväksyttävä luovutus, ja jokainen luovutus on luovutuslokissa.",
        "transfers": "Tietoja ei siirretä Euroopan unionin tai Euroopan talousalueen ulkopuolelle.",
        "transfers_outside": "Tietoja siirretään Euroopan unionin tai Euroopan talousalueen ulkopuolelle.",
        "nowhere": "Palvelu toimii yhdellä palvelimella eikä lähetä mitään sen ulkopuolelle.",
        "speaks_to": "Palvelu on oman palvelimensa ulkopuolella yhteydessä vain seuraaviin; kunkin maa on mainittu:",
        "to_pbx": "puhelinvaihde",
        "to_database": "tietokanta",
        "to_mail": "sähköpostipalvelin",
        "to_webhook": "hälytysten vastaanottaja",
        "to_syslog": "lokipalvelin",
        "to_s3": "salattujen tallenteiden säilytyspalvelu",
        "to_published": "verkkosivu, jolla tämä seloste julkaistaan",
        "protection": "Tiedot on suojattu näin:",
        "sealed": "Tallenteet sekä soittajien numerot ja nimet on salattu. Jokaisella päivällä on oma avain, joka "
        "tuhotaan tallenteiden mukana.",
        "rights": "Tietoja näkee vain siihen oikeutettu henkilöstö, ja vain oman yksikkönsä tietoja. Käyttöoikeuden "
        "myöntää ja hyväksyy kaksi henkilöä, ja se on voimassa enintään kaksitoista kuukautta, ellei sitä vahvisteta "
        "uudelleen.",
        "two_steps": "Jokainen kirjautuu omalla käyttäjätunnuksella, salasanalla ja kertakäyttöisellä koodilla.",
        "encrypted": "Yhteys palveluun on salattu.",
        "logged": "Käyttöä valvotaan: jokainen haku, katselu, kuuntelu, luovutus, oikaisu ja käyttöoikeuden muutos "
        "kirjataan lokiin, jota ei voi muuttaa huomaamatta.",
        "looked_at": "Käytöstä tehdään raportti joka viikko, ja toinen henkilö käy läpi {percent} prosenttia "
        "kuunteluista.",
        "decisions": "Ihmisistä ei tehdä automaattisia päätöksiä. Ainoa, minkä palvelu tekee itse, on tallenteiden "
        "tuhoaminen säilytysajan päätyttyä.",
        "access": "Sinulla on oikeus tietää, onko rekisterissä puhelujasi, ja saada jäljennös tallenteista sekä tieto "
        "siitä, miten niitä on käytetty. Tee pyyntö kirjallisesti: {contact}.",
        "identity": "Sinun on todistettava henkilöllisyytesi. Kerro puhelun päivä ja kellonaika sekä numero, josta "
        "soitit: tallenne löydetään niiden avulla.",
        "answer": "Saat vastauksen kuukauden kuluessa. Jos pyyntö on poikkeuksellisen laaja, aikaa voidaan jatkaa "
        "kahdella kuukaudella, ja siitä ilmoitetaan sinulle ensimmäisen kuukauden aikana.",
        "correction": "Käsittelyn tarkoituksen kannalta virheellinen, tarpeeton, puutteellinen tai vanhentunut tieto "
        "oikaistaan, poistetaan tai täydennetään ilman aiheetonta viivytystä, rekisterinpitäjän omasta aloitteesta tai "
        "pyynnöstäsi.",
        "corrected": "Näkyviin jää, mitä on oikaistu, kuka sen teki ja milloin, ja alkuperäinen merkintä on "
        "nähtävissä jälkeenpäin. Itse ääntä ei muuteta.",
        "withdraw": "Voit peruuttaa suostumuksesi milloin tahansa: puhelun aikana sanomalla siitä neuvojalle, "
        "jälkeenpäin kirjallisesti: {contact}. Peruuttaminen ei tee lainvastaiseksi sitä, mitä on tehty ennen sitä.",
        "no_consent": "Jos tallennus ei perustu suostumukseen, peruutettavaa suostumusta ei ole. Puhelun aikana voit "
        "silti kieltää tallennuksen, ja jälkeenpäin voit vastustaa käsittelyä.",
        "other_rights": "Sinulla on myös oikeus",
        "erasure": "saada itseäsi koskevat tiedot poistetuiksi, jos laki ei velvoita säilyttämään niitä "
        "(tietosuoja-asetuksen 17 artikla)",
        "restriction": "saada käsittely rajoitetuksi, esimerkiksi siksi aikaa kun tietojen oikeellisuutta selvitetään "
        "(18 artikla)",
        "objection": "vastustaa käsittelyä henkilökohtaiseen tilanteeseesi liittyvällä perusteella (21 artikla)",
        "portability": "saada suostumuksen perusteella itse antamasi tiedot koneellisesti luettavassa muodossa "
        "(20 artikla)",
        "refused": "Jos rekisterinpitäjä ei suostu pyyntöösi, saat siitä kirjallisen todistuksen, jossa on syyt.",
        "complaint": "Voit saattaa asian valvontaviranomaisen käsiteltäväksi: {authority}.",
        "made": "Tämä seloste on tehty niistä asetuksista, joiden mukaan tallennuspalvelu toimii. Palvelu tarkistaa "
        "koko ajan, toimiiko se niin kuin tässä lukee.",
        "published": "Seloste on julkaistu osoitteessa:",
        "administration": "Rekisterinpitäjä on {name}. Rekisterin vastuuhenkilö ({person}) huolehtii siitä,",
        "duty_content": "mitä rekisterissä on ja mihin sitä käytetään",
        "duty_rights": "miten käyttöoikeudet myönnetään, vahvistetaan uudelleen ja päätetään",
        "duty_people": "miten ihmisille kerrotaan käsittelystä ja miten he voivat tarkastaa tietonsa",
        "duty_data": "miten tietoja oikaistaan ja luovutetaan",
        "duty_notice": "että tämä seloste laaditaan ja pidetään ajan tasalla.",
    },
)
