"""The words of the privacy notice in Swedish, as in Finland. Which sentence belongs where: domain/notice.py."""

from ari_recorder.domain.notice_en import Words

WORDS = Words(
    title="Dataskyddsbeskrivning: samtalsinspelningar",
    headings=(
        "Registrets namn",
        "Personuppgiftsansvarig",
        "Ansvarig person för registret",
        "Kontaktperson i ärenden som gäller registret",
        "Dataskyddsombud",
        "Hur länge personuppgifter lagras",
        "Ändamålet med och den rättsliga grunden för behandlingen",
        "Registrets innehåll",
        "Regelmässiga uppgiftskällor",
        "Regelmässigt utlämnande av uppgifter",
        "Överföring av uppgifter utanför Europeiska unionen eller Europeiska ekonomiska samarbetsområdet",
        "Principerna för skyddet av registret",
        "Automatiserat beslutsfattande",
        "Rätt till insyn",
        "Rätt att få uppgifter rättade",
        "Återkallande av samtycke",
        "Övriga rättigheter",
        "Rätt att klaga hos tillsynsmyndigheten",
        "Övrig information",
        "Registerförvaltning",
    ),
    months=("1 månad", "{count} månader"),
    days=("1 dag", "{count} dagar"),
    together=" och ",
    sentences={
        "missing": "har inte angetts ännu",
        "kept": "En inspelning lagras en bestämd tid, som räknas enligt kalendern från den dag samtalet ringdes:",
        "destroyed": "När lagringstiden har gått ut förstör tjänsten själv inspelningen: först nyckeln som den är "
        "krypterad med, sedan filen. En krypterad kopia kan finnas kvar i säkerhetskopior högst {backups} efter det.",
        "held": "En chef kan besluta att ett samtal med ett allvarligt hot bevaras längre med tanke på fortsatta "
        "åtgärder. Beslutet har ett skäl, någon som ansvarar för det och en dag inom tolv månader då det granskas på "
        "nytt.",
        "undecided": "Ett samtal som en rådgivare har flaggat som hotfullt och som ingen chef har fattat beslut om "
        "bevaras högst {grace} längre.",
        "frozen": "Inspelningar som en öppen begäran gäller förstörs inte innan begäran har behandlats.",
        "quarantine": "Ljud för vilket ingenting visar att den som ringde fick veta om inspelningen spärras. Ingen kan "
        "lyssna på det, och det förstörs efter {days}.",
        "purpose": "Samtal till de kundtjänstlinjer som nämns här spelas in för två ändamål:",
        "safety": "rådgivarnas säkerhet",
        "quality": "kundtjänstens kvalitet.",
        "announced": "Den som ringer får veta om inspelningen på finska, svenska eller engelska innan den börjar. Den "
        "som inte vill att samtalet spelas in säger det till rådgivaren, som avslutar inspelningen. Det som har "
        "spelats in av samtalet till dess förstörs.",
        "bases": "Den rättsliga grunden för behandlingen är:",
        "public-task": "en uppgift av allmänt intresse (artikel 6.1 e i dataskyddsförordningen)",
        "legitimate-interest": "den personuppgiftsansvarigas berättigade intresse, som gäller personalens säkerhet och "
        "tjänstens kvalitet (artikel 6.1 f i dataskyddsförordningen)",
        "consent": "samtycke av den som ringer (artikel 6.1 a i dataskyddsförordningen)",
        "listeners": "Endast personer som har fått rätt till det lyssnar på inspelningar, och de anger varje gång "
        "ändamålet.",
        "content": "Registret innehåller det som sägs under samtalet.",
        "beside": "Om varje inspelning finns dessutom:",
        "caller": "telefonnummer och namn på den som ringer, så som telefonväxeln förmedlar dem",
        "call": "samtalets tid och längd samt numret som ringdes upp",
        "agents": "rådgivarna som svarade",
        "marks": "det som rådgivaren markerade under samtalet, och att meddelandet om inspelning hördes.",
        "derived": "Av ljudet görs ingenting annat än en bild av ljudstyrkan, som hjälper att hitta ett ställe i "
        "inspelningen: ingen text, inget röstavtryck, ingen profil.",
        "sources": "Uppgifterna fås av dem som ringer kundtjänsten och av telefonväxeln som kopplar samtalen. Det "
        "finns inga andra källor.",
        "disclosures": "Uppgifter lämnas inte ut regelmässigt.",
        "disclosed": "En enskild inspelning kan lämnas ut endast med stöd av lag. Mottagaren och skälet antecknas på "
        "förhand, och varje utlämnande finns i loggen över utlämnanden.",
        "disclosed_by_two": "En enskild inspelning kan lämnas ut endast med stöd av lag. Mottagaren och skälet "
        "antecknas på förhand, en annan person ska godkänna utlämnandet, och varje utlämnande finns i loggen över "
        "utlämnanden.",
        "transfers": "Uppgifter överförs inte utanför Europeiska unionen eller Europeiska ekonomiska samarbetsområdet.",
        "transfers_outside": "Uppgifter överförs utanför Europeiska unionen eller Europeiska ekonomiska "
        "samarbetsområdet.",
        "nowhere": "Tjänsten fungerar på en server och skickar ingenting utanför den.",
        "speaks_to": "Utanför sin egen server har tjänsten förbindelse endast med följande; landet anges för var och "
        "en:",
        "to_pbx": "telefonväxeln",
        "to_database": "databasen",
        "to_mail": "e-postservern",
        "to_webhook": "mottagaren av larm",
        "to_syslog": "loggservern",
        "to_s3": "lagringstjänsten för de krypterade inspelningarna",
        "to_published": "webbsidan där denna beskrivning publiceras",
        "protection": "Uppgifterna skyddas så här:",
        "sealed": "Inspelningarna samt numren och namnen på dem som ringer är krypterade. Varje dag har en egen "
        "nyckel, som förstörs tillsammans med inspelningarna.",
        "rights": "Endast personal som har rätt till det ser uppgifter, och endast sin egen enhets uppgifter. En "
        "användarrätt beviljas och godkänns av två personer, och den gäller högst tolv månader om den inte bekräftas "
        "på nytt.",
        "two_steps": "Var och en loggar in med eget användarnamn, lösenord och engångskod.",
        "encrypted": "Förbindelsen till tjänsten är krypterad.",
        "logged": "Användningen övervakas: varje sökning, visning, avlyssning, utlämnande, rättelse och ändring av "
        "användarrätter antecknas i en logg som inte kan ändras obemärkt.",
        "looked_at": "Varje vecka görs en rapport om användningen, och en annan person går igenom {percent} procent av "
        "avlyssningarna.",
        "decisions": "Inga automatiserade beslut fattas om människor. Det enda som tjänsten gör av sig själv är att "
        "förstöra inspelningar när lagringstiden har gått ut.",
        "access": "Du har rätt att få veta om dina samtal finns i registret och att få en kopia av inspelningarna samt "
        "information om hur de har använts. Begär det skriftligt: {contact}.",
        "identity": "Du ska styrka din identitet. Berätta vilken dag och vid vilken tid du ringde och från vilket "
        "nummer: inspelningen hittas med hjälp av dem.",
        "answer": "Du får svar inom en månad. Om begäran är exceptionellt omfattande kan tiden förlängas med två "
        "månader, och det får du veta inom den första månaden.",
        "correction": "En uppgift som med tanke på ändamålet är felaktig, onödig, bristfällig eller föråldrad rättas, "
        "raderas eller kompletteras utan obefogat dröjsmål, på den personuppgiftsansvarigas eget initiativ eller på "
        "din begäran.",
        "corrected": "Det syns vad som har rättats, vem som gjorde det och när, och den ursprungliga anteckningen kan "
        "ses i efterhand. Själva ljudet ändras inte.",
        "withdraw": "Du kan när som helst återkalla ditt samtycke: under samtalet genom att säga det till rådgivaren, "
        "efteråt skriftligt: {contact}. Ett återkallande gör inte det som har gjorts tidigare olagligt.",
        "no_consent": "Om inspelningen inte grundar sig på samtycke finns det inget samtycke att återkalla. Under "
        "samtalet kan du ändå förbjuda inspelningen, och efteråt kan du göra invändningar mot behandlingen.",
        "other_rights": "Du har också rätt",
        "erasure": "att få uppgifter om dig raderade, om lagen inte kräver att de bevaras (artikel 17 i "
        "dataskyddsförordningen)",
        "restriction": "att få behandlingen begränsad, till exempel medan det utreds om uppgifterna är riktiga "
        "(artikel 18)",
        "objection": "att göra invändningar mot behandlingen av skäl som hänför sig till din specifika situation "
        "(artikel 21)",
        "portability": "att få det som du själv har gett med stöd av samtycke i maskinläsbar form (artikel 20)",
        "refused": "Om den personuppgiftsansvariga inte går med på din begäran får du ett skriftligt intyg med skälen.",
        "complaint": "Du kan föra ärendet till tillsynsmyndigheten: {authority}.",
        "made": "Denna beskrivning har gjorts av de inställningar som inspelningstjänsten fungerar enligt. Tjänsten "
        "kontrollerar hela tiden om den gör det som står här.",
        "published": "Beskrivningen är publicerad på adressen:",
        "administration": "Personuppgiftsansvarig är {name}. Den ansvariga personen ({person}) ser till",
        "duty_content": "vad registret innehåller och vad det används till",
        "duty_rights": "hur användarrätter beviljas, bekräftas på nytt och avslutas",
        "duty_people": "hur människor informeras och hur de kan utöva sin rätt till insyn",
        "duty_data": "hur uppgifter rättas och lämnas ut",
        "duty_notice": "att denna beskrivning görs upp och hålls aktuell.",
    },
)
