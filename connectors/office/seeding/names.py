"""Small lists that invented people, companies and rooms are named from. Nobody here exists."""

from __future__ import annotations

FIRST = (
    "Aisha", "Alban", "Amélie", "Anders", "Anika", "Ansel", "Arjun", "Beatriz", "Benoît", "Bianca", "Björn", "Bruno",
    "Camila", "Carla", "Cédric", "Chidi", "Clara", "Corinne", "Dalia", "Dário", "Davide", "Dmitri", "Edda", "Elias",
    "Elif", "Emeka", "Esther", "Farah", "Felix", "Fiona", "Frida", "Gaël", "Greta", "Hana", "Harriet", "Hugo", "Ida",
    "Imran", "Inés", "Ingrid", "Isla", "Ivo", "Jada", "Jakub", "Joana", "Jonas", "Josefine", "Jürgen", "Kaito", "Karin",
    "Keira", "Kofi", "Lars", "Leonor", "Lina", "Lorenzo", "Lucía", "Luka", "Mafalda", "Magnus", "Malik", "Marek",
    "Mariam", "Mateo", "Mei", "Mila", "Miriam", "Nadia", "Naoko", "Nils", "Nuno", "Ola", "Omar", "Oscar", "Paloma",
    "Pedro", "Petra", "Priya", "Rafael", "Raquel", "Ravi", "René", "Rosa", "Ruth", "Sanne", "Selma", "Sílvia", "Simon",
    "Sofie", "Stefan", "Tamar", "Teresa", "Theo", "Tomás", "Ulla", "Valeria", "Viktor", "Wanda", "Yara", "Yusuf", "Zoë",
)  # fmt: skip

LAST = (
    "Abello", "Adeyemi", "Almeida", "Aydin", "Bakker", "Barros", "Bauer", "Bergström", "Bianchi", "Blanchard", "Boateng",
    "Bosch", "Brandt", "Cabral", "Castro", "Chandra", "Chen", "Cordeiro", "Costa", "Dahl", "Dias", "Dubois", "Duarte",
    "Engel", "Esteves", "Faria", "Fischer", "Fonseca", "Forsberg", "García", "Gallo", "Gomes", "Graf", "Greco", "Haas",
    "Hansen", "Hoffmann", "Holm", "Ibrahim", "Ito", "Ivanov", "Jansen", "Kapoor", "Keller", "Khan", "Kim", "Klein",
    "Kovács", "Krüger", "Lacroix", "Laurent", "Leite", "Lind", "Lopes", "Lund", "Macedo", "Magalhães", "Marchetti",
    "Meyer", "Mensah", "Molina", "Moura", "Müller", "Nakamura", "Neves", "Novak", "Núñez", "Nyberg", "Okafor", "Olsen",
    "Ortega", "Osei", "Park", "Patel", "Pereira", "Petrov", "Pinto", "Popescu", "Quintana", "Rahman", "Ramos", "Reuter",
    "Ricci", "Rocha", "Rossi", "Sá", "Sato", "Schäfer", "Silva", "Singh", "Sousa", "Steiner", "Szabó", "Tanaka",
    "Teixeira", "Torres", "Vega", "Vidal", "Vogel", "Wagner", "Weber", "Winter", "Wójcik", "Yilmaz", "Zhang",
)  # fmt: skip

COMPANIES = (
    "Brightwater Instruments", "Copperleaf Analytics", "Fernhill Robotics", "Grey Heron Logistics", "Halcyon Sensors",
    "Juniper & Slate", "Larkfield Systems", "Millbrook Imaging", "Northlight Optics", "Quarry Lane Software",
    "Redwing Energy", "Tidewater Metrics",
)  # fmt: skip

CUSTOMERS = (
    "Ashgrove Clinics", "Bellmere Foods", "Cinder Peak Mining", "Dovetail Furniture", "Eastmoor Water", "Foxglove Hotels",
    "Gable & Stone", "Harrowgate Rail", "Ironbark Timber", "Kestrel Airlines", "Lowland Dairies", "Marigold Pharma",
    "Oakhaven Schools", "Pebble Bay Ports", "Silverbirch Bank", "Thornbury Glass", "Umber Ceramics", "Wren Valley Council",
)  # fmt: skip

SUPPLIERS = (
    "Atlas Freight", "Blue Kettle Catering", "Cobalt Hosting", "Daybreak Cleaning", "Evergreen Print", "Fulcrum Legal",
    "Gimbal Parts", "Hexa Translations", "Inkwell Stationery",
)  # fmt: skip

NEWSLETTERS = (
    ("The Weekly Sensor", "weekly@sensor-letter.example", "This week in measurement"),
    ("Remote Notes", "hello@remote-notes.example", "Five habits of calm teams"),
    ("Cloud Ledger", "digest@cloud-ledger.example", "Your digest of platform news"),
    ("Trade Fair Herald", "news@trade-herald.example", "Fairs not to miss"),
)

PROJECTS = ("Lantern", "Harbor", "Compass", "Meadow", "Beacon", "Orchard", "Tundra", "Saffron", "Pelican", "Granite")

ROOMS = (("Aurora", 4), ("Basalt", 6), ("Cedar", 8), ("Delta", 12), ("Ember", 3), ("Fjord", 20))

ZONES = (
    ("Europe/Lisbon", 12), ("Europe/Madrid", 6), ("Europe/Berlin", 8), ("Europe/London", 5), ("America/New_York", 5),
    ("America/Sao_Paulo", 2), ("Asia/Kolkata", 3),
)  # fmt: skip
