"""The words by which a prompt says what it wants, in English, Japanese and Chinese.

Chinese words stand in traditional and, where they differ, simplified characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


SUPERLATIVE = (
    r"(?:heaviest|lightest|longest|shortest|tallest|oldest|youngest|newest|hottest|warmest|coldest"
    r"|coolest|wettest|driest|windiest|strongest|weakest|cheapest|richest|poorest|busiest|deepest)"
)
_LOW_ENDS = r"(?:lightest|shortest|youngest|coldest|coolest|driest|weakest|cheapest|poorest)"

KINDS: Mapping[str, re.Pattern[str]] = {
    "unsupported": _any(
        r"\b(forecast|predict|cluster|regress|train|classif|sentiment|translat|simulat)",
        r"\b(top|bottom) \d+ ?(%|percent)|(上位|下位|前|後)\s*\d+\s*[%％]",
        r"\b(rolling|moving average|cumulative|running total|yoy|year[- ]over[- ]year)\b",
        r"移動平均|累計|累積|前年比|前年同期|同比|去年同期",
        r"\bmachine learning\b|\bneural\b|\bpoem\b|\bstory\b|\bjoke\b|\be-?mail\b",
        r"\b(more|less|fewer) than \d+ (rows?|records?|orders?|transactions?|times)\b",
        r"\d+\s*(件|回|筆|次)(以上|以下|未満|を超え)|(超過|多於|少於|至少)\s*\d+\s*(筆|次|件)",
        r"予測|翻訳|クラスタ|回帰|機械学習|詩|物語|預測|预测|翻譯|翻译|回歸|機器學習|詩|故事|笑話",
    ),
    "join": _any(
        r"\b(join|merge)\b|\bcombine\b.*\b(with|and)\b",
        r"結合|マージ|突き合わせ|合併|合并|連接|關聯起來|串接",
    ),
    "missing": _any(
        r"\b(missing|nulls?|nans?|empty (values|cells)|blanks?|incomplete)\b",
        r"欠損|欠測|欠落|空欄|缺失|缺漏|遺漏|空值|缺值",
    ),
    "outliers": _any(
        r"\b(outl[iy]+ers?|anomal\w+|unusual)\b", r"外れ値|異常値|離群|異常|极端|極端值"
    ),
    "correlate": _any(
        r"\bcorrelat\w*|\brelationships?\b|\brelated\b|\bscatter|\bdepends? on\b|\bagainst\b",
        r"\bas a function of\b|に対して",
        r"相関|散布図|関係|相關|關係|關聯|散佈圖|散點圖",
    ),
    "growth": _any(
        r"\b(grew|grow|grows|growing|growth|increased?|declin\w+|shr[aiu]nk)\b",
        r"成長(?!條|条)|伸び|増加率|增長|增长|成長率|增幅|衰退",
    ),
    "share": _any(
        r"\b(shares?|percent(age)?s?|proportions?|fractions?|pie)\b|%",
        r"割合|比率|シェア|構成比|内訳|円グラフ|占比|佔比|比例|百分比|比重|圓餅圖|占總|佔總",
    ),
    "top": _any(
        r"\b(top|best|highest|largest|biggest|(?<!at )most|greatest|leading|maximum|max)\b",
        r"\b(bottom|worst|lowest|smallest|(?<!at )least|fewest|cheapest|minimum|min)\b",
        rf"\b{SUPERLATIVE}\b",
        r"\b(most recent|latest|earliest)\b|最新|最近的|直近|最早",
        r"\b(ranking|rank|ranked|most expensive|sort(ed)?|ordered by)\b",
        r"最[長短重輕轻高矮大小多少熱冷貴快慢強弱老深淺寬窄便年]",
        r"上位|トップ|ベスト|最も|一番|最大|最高|下位|ワースト|最低|最小|ランキング|(高|低|多|少な|大き|小さ|安)い順|順に",
        r"前\s*(\d+|[一二三四五六七八九十]+)|最多|最少|最好|最差|最佳|排名|排行|由高到低|由低到高|排序|後\s*\d+\s*名|倒數",
    ),
    "distribution": _any(
        r"\b(distribut\w+|histograms?|spread|box ?plots?)\b",
        r"分布|ヒストグラム|箱ひげ|ばらつき|分佈|直方圖|箱型圖|盒鬚圖",
    ),
    "trend": _any(
        r"\b(trends?|over time|time ?series|development|evol\w+|history of)\b",
        r"\b(daily|weekly|monthly|quarterly|yearly|annual(ly)?)\b",
        r"\b(per|by|each|every|over the) (days?|weeks?|months?|quarters?|years?)\b",
        r"\b(days? of the week|weekdays?|hours? of|hourly|season\w*)\b",
        r"(?<![月火水木金土日])曜日|時間帯|何月|何時|星期幾|星期几|週幾|周几|禮拜幾|幾月|時段|幾點",
        r"推移|時系列|トレンド|(日|週|月|四半期|年)(別|次|間|ごと|毎)|変化|毎(日|週|月|年)",
        r"趨勢|趋势|走勢|隨時間|變化|每(日|天|週|周|月|季|年)|按(日|天|週|周|月|季|年)|逐(日|月|年)|各(月|季|年)|(月|季|年)度",
    ),
    "unique": _any(
        r"\b(unique|distinct|different)\b", r"ユニーク|重複なし|種類|異なる|不同|不重複|相異"
    ),
    "count": _any(
        r"\b(how many|how often|number of|count)\b",
        r"何件|何回|何人|何個|いくつ|件数|個数|回数|人数|注文数",
        r"有多少|幾個|幾筆|幾位|幾名|多少(?![?？呢\s]|$)|數量|筆數|次數|人數|訂單數|有幾",
    ),
    "overview": _any(
        r"\b(overview|describe|summar\w+|explor\w+|insights?|analy[sz]\w*|profile|schema|columns)\b",
        r"\bwhat('s| is| are| does)\b.*\b(in|inside) (the|this|these|my|that) \w+$",
        r"\blook at\b|\btell me about\b",
        r"\bwhat\b.*\b(data|table|dataset|columns)\b",
        r"概要|要約|分析|概観|列名|どんなデータ|中身|サマリ|概覽|概览|摘要|描述|總結|总结|欄位|概況|看看|了解",
    ),
    "convert": _any(
        r"\b(convert|export|transform|turn|save|write|store)\b.*\b(csv|tsv|json|excel|xlsx|parquet|spreadsheet)\b",
        r"(csv|tsv|json|excel|エクセル|xlsx|parquet).*(変換|保存|出力|書き出|エクスポート|轉|转|存|匯出|導出|输出|輸出)",
        r"(轉|转|存|匯出|導出|輸出|輸成|變|変換|保存).{0,6}(csv|tsv|json|excel|xlsx|parquet|エクセル)",
    ),
    "list": _any(
        r"\b(which|what) \w+ (are|is|were|was|have|had|has)\b",
        r"\b(rows?|records?|list|filter|show( me)? (all|the)|find|head|tail|first|last|sample)\b",
        r"行を|最初の|最後|先頭|末尾|ランダム|隨機|一覧|リスト|抽出|絞り込|表示|列出|篩選|筛选|顯示|找出",
    ),
    "compare": _any(
        r"\b(compar\w+|average|mean|total|sum|median|vs\.?|versus)\b",
        r"\b(standard deviations?|std|stdev|variances?|percentiles?|quantiles?|quartiles?)\b",
        r"\b(ranges?|mode)\b",
        r"\b(by|per|for each|in each|across)\b",
        r"比較|比べ|平均|合計|総計|中央値|別の|別に|別|ごと|毎に|標準偏差|分散|最頻値|四分位|パーセンタイル",
        r"比较|總和|總計|總額|總|加總|中位數|按|依|每個|各|標準差|變異數|方差|眾數|百分位|全距",
    ),
    "plot": _any(
        r"\b(plot|charts?|graphs?|draw|visuali[sz]e|picture|diagram)\b",
        r"グラフ|プロット|図|描い|可視化|圖|畫|繪|视觉|視覺化",
    ),
}
"""What is asked for; the first kind that is found counts."""

FREQUENCIES: Mapping[str, re.Pattern[str]] = {
    "D": _any(
        r"\bdaily\b|\b(per|by|each|every) day\b", r"日別|日次|日ごと|毎日|每日|每天|按日|逐日|按天"
    ),
    "W": _any(
        r"\bweekly\b|\b(per|by|each|every) week\b",
        r"週別|週次|週ごと|毎週|每週|每周|按週|按周|逐週",
    ),
    "Q": _any(r"\bquarter(ly|s)?\b", r"四半期|季度|每季|按季|各季|逐季|季別"),
    "M": _any(
        r"\bmonth(ly|s)?\b",
        r"[いたの何]月(?=[はをが？?]|$)|哪一?個?月|月(?=平均|總|均)",
        r"月別|月次|月ごと|毎月|月間|每月|按月|逐月|各月|月度|月份",
    ),
    "Y": _any(
        r"\b(year(ly|s)?|annual(ly)?)\b",
        r"([いたの]|何)年(?=[はをが？?]|$)|哪一?年|年(?=平均|總|均)",
        r"年別|年次|年ごと|毎年|年間|每年|按年|逐年|各年|年度",
    ),
}

AGGREGATIONS: Mapping[str, re.Pattern[str]] = {
    "count": _any(
        r"\b(count|number of|how many)\b",
        r"件数|何件|何人|いくつ|回数|人数|注文数|筆數|次數|人數|訂單數|幾筆|幾個|多少(筆|個|人|位)",
    ),
    "mean": _any(r"\b(average|mean|avg|typical)\b", r"平均|均值"),
    "median": _any(r"\bmedian\b", r"中央値|中位數|中位数"),
    "sum": _any(r"\b(total|sum|overall)\b", r"合計|総計|総額|總和|總計|總額|加總|總|总"),
    "max": _any(r"\b(maximum|max)\b", r"最大値|最大值"),
    "min": _any(r"\b(minimum|min)\b", r"最小値|最小值"),
    "std": _any(r"\b(standard deviations?|std( dev)?|stdev)\b", r"標準偏差|標準差|标准差"),
    "var": _any(r"\bvariances?\b", r"分散|變異數|方差"),
    "range": _any(r"(?<!in the )\branges?\b", r"値の範囲|全距|值的範圍"),
    "mode": _any(r"\bmode\b", r"最頻値|眾數|众数"),
    "quartiles": _any(r"\bquartiles?\b", r"四分位"),
    "percentile": _any(
        r"\b\d+(st|nd|rd|th)? percentiles?\b|\bquantiles?\b", r"パーセンタイル|百分位(?!比)"
    ),
}
"""What is worked out of a column; the last two stand for ``p25``, ``p90`` and the like."""

EXTREMES: Mapping[str, re.Pattern[str]] = {
    "max": _any(r"\b(highest|largest|biggest)\b", r"最大|最高"),
    "min": _any(r"\b(lowest|smallest)\b", r"最小|最低"),
}
"""Words that mean a figure only beside another: "average and highest"."""

CYCLES: Mapping[str, re.Pattern[str]] = {
    "weekend": _any(
        r"\bweekends?\b.*\bweekdays?\b|\bweekdays?\b.*\bweekends?\b",
        r"(平日|工作日).*(週末|周末|休日|假日)|(週末|周末|休日|假日).*(平日|工作日)",
    ),
    "weekday": _any(
        r"\b(days? of (the )?week|weekdays?)\b",
        r"(?<![月火水木金土日])曜日|星期[幾几]|[週周][幾几]|禮拜幾|(每|各|按|依)(個)?(星期|禮拜)(?!\w*數)",
    ),
    "hour": _any(
        r"\b(hours? of (the )?day|hourly|(per|by|each|which|what|busiest) hour)\b",
        r"時間帯|何時|幾點|几点|哪個(小時|時段)|[每各]個?(小時|時段)",
    ),
    "month": _any(
        r"\b(calendar months?|months? of (the |a )?year|season(s|al\w*)?)\b",
        r"\b(which|what) month\b.*\b(on average|usually|typically)\b",
        r"何月|季節(性|ごと|変動)|幾月|一年(中|之中|當中|裡).*月|季節性",
    ),
    "quarter": _any(
        r"\bquarters? of (the |a )?year\b|\b(which|what) quarter\b.*\b(on average|usually)\b",
        r"第何四半期|第幾季",
    ),
}
"""Parts of the calendar that come again."""

ENDS: Mapping[str, re.Pattern[str]] = {
    "random": _any(r"\brandom\b", r"ランダム|無作為|隨機|随机"),
    "first": _any(
        r"\b(first|head)\b(?! (quarter|half|name))",
        r"最初の|先頭|前\s*([\d０-９]+|[一二三四五六七八九十]+)\s*[筆列行條]",
    ),
    "last": _any(
        r"\b(last|tail|final)\b(?! name)",
        r"最後|末尾|後\s*([\d０-９]+|[一二三四五六七八九十]+)\s*[筆列行條]",
    ),
}
"""Where the rows stand that are asked for."""
POSITION = _any(r"\b(rows?|lines?|records?|entries|head|tail)\b", r"行|列|先頭|末尾|筆資料")
"""Words for rows that have a place, and no more."""

HOW_MANY = _any(r"\b(how many|number of|count of)( the)?\s*$")
DIFFERENCE = _any(r"\bdifferences?\b|\bminus\b|\bsubtract", r"の差|差を|相差|差距|差額|之差")
AND = _any(r"\s*(and|minus|from|と|和|與|、)\s*(the\s+)?")
RATIO = _any(r"\s*(?:\([^)]*\)\s*)?(per|/|divided by)\s*", r"\s*÷\s*|除以")
FOR_EACH = _any(r"[1１一]?(個|単位|枚|本)?(あたり|当たり)の?|每")
PER_PIECE = _any(
    r"\bper unit\b|\bunit (revenue|price|cost)s?\b",
    r"[1１一](個|単位|枚|本)(あたり|当たり)|每(單位|件)",
)
"""Said of what has a quantity, whatever its column is called."""
AGAINST = _any(
    r"\W*(is |are |plotted |drawn )?(against|versus|vs\.?|as a function of)( the)?\W*",
    r"を|に対して|に対する|対|對|vs",
)
COLOURED = _any(r"\bcolou?r\w*\b|\bhue\b|色|著色|上色")

CHARTS: Mapping[str, re.Pattern[str]] = {
    "none": _any(
        r"\b(no|without( a)?) (chart|plot|graph|picture)s?\b",
        r"グラフ(なし|不要)|不要(圖|畫圖)|不用(圖|畫圖)",
    ),
    "bar": _any(
        r"\b(bars?|columns?) ?(charts?|graphs?|plots?)\b|\bbarplot\b|\bas bars\b",
        r"棒グラフ|[長直橫]條圖|长条图|柱狀圖|柱状图|條形圖|条形图",
    ),
    "line": _any(r"\blines? ?(charts?|graphs?|plots?)?\b", r"折れ線|線グラフ|折線圖|折线图|線圖"),
    "pie": _any(r"\bpie\b|\bdonut\b", r"円グラフ|圓餅圖|圆饼图|饼图|餅圖|圓形圖"),
    "hist": _any(r"\bhistograms?\b", r"ヒストグラム|直方圖|直方图"),
    "box": _any(r"\bbox ?plots?\b|\bboxes\b", r"箱ひげ|箱型圖|盒鬚圖|箱線圖"),
    "scatter": _any(r"\bscatter\w*\b", r"散布図|散佈圖|散點圖|散点图"),
    "heatmap": _any(r"\bheat ?maps?\b", r"ヒートマップ|熱圖|熱力圖"),
}

FORMATS: Mapping[str, re.Pattern[str]] = {
    "xlsx": _any(r"\b(excel|xlsx?|spreadsheet)\b", r"エクセル|試算表|excel|xlsx"),
    "json": _any(r"json"),
    "tsv": _any(r"\btsv\b|tab[- ]separated"),
    "parquet": _any(r"parquet"),
    "csv": _any(r"csv|comma[- ]separated"),
}

SAVE = _any(
    r"\b(save|export|write|store|download)\b|\bas (an? )?(csv|tsv|json|excel|xlsx|parquet)\b",
    r"\b(to|as|into|in) an? (\w+ )?file\b",
    r"保存|出力|書き出|ファイルに|エクスポート|存成|存檔|存到|儲存|匯出|導出|下載|存為|輸出",
)
LOW = _any(
    r"\b(bottom|worst|lowest|smallest|(?<!at )least|fewest|cheapest|minimum|min)\b",
    rf"\b{_LOW_ENDS}\b",
    r"\b(slowest|declin\w+|shr[aiu]nk)\b",
    r"(最も|一番)\S{0,8}(寒|軽|短|若|安|低|少な|小さ|弱|涼|早|古)|最(冷|輕|轻|短|便宜|年輕|慢|弱)",
    r"\bearliest\b|最早|下位|最低|最小|ワースト|最少|最差|後\s*\d+\s*名|倒數|衰退|(低|少な|小さ|安)い順|由低到高",
)
SORTED = _any(r"\bsort(ed)?\b|\bordered by\b|順に|排序")
LATEST = _any(
    r"\b(most recent|latest|newest|earliest)\b",
    r"最新|最近的|直近|最早|最晚|(最も|一番)(早|遅|新し|古)い",
)
ALL_NUMBERS = _any(
    r"\ball (the )?(measure(ment)?s|numbers|numeric \w+|columns|variables)\b",
    r"(すべて|全て|全部)の(数値|列|項目)|所有(數值|欄位|數字)",
)
SAME = _any(
    r"\b(same|again|instead|now|also|too|only|just)\b",
    r"\b(plot|draw|show|save|export|convert|make|do|sort|split|turn|put|of|with|for|as)"
    r" (it|them|that|this|those|these)\b",
    r"\b(what|how) about\b",
    r"^\s*(and|but|or)\b",
    r"同じ|それ|これ|今度|代わり|だけ|のみ|ではなく|同様|次は|その|では",
    r"同樣|一樣|這個|它|那個|改成|換成|只看|只要|改為|那麼|再|只有|呢",
)
GROUPING = _any(
    r"\b(per|by|for each|in each|for every|each|across|among|between|which|of each)\s*$",
    r"(按|依|每個|每种|每種|各|依照|根據|哪個|哪一個|哪些|每)\s*$",
)
GROUPED = _any(r"^\s*(ごと|別|毎|それぞれ|來|分組|別に)")
WHICH = _any(
    r"\b(which|what|who|where|fastest|slowest|most|least)\b", r"どの|どこ|どれ|最も|一番|哪|最"
)
ROWS = _any(r"\b(rows?|records?|entries|lines|orders?|transactions?)\b", r"行|レコード|件|筆|列")

CONCEPTS: tuple[tuple[str, ...], ...] = (
    ("revenue", "sales", "sale", "amount", "turnover", "income",
     "売上", "売上高", "金額", "營收", "銷售額", "銷售", "營業額", "收入", "業績"),
    ("profit", "margin", "earnings", "利益", "粗利", "利潤", "毛利", "獲利"),
    ("quantity", "qty", "units", "volume", "数量", "個数", "販売数", "數量", "件數", "銷量"),
    ("price", "close", "closing", "cost", "unit price", "cheapest", "cheaper", "expensive",
     "価格", "単価", "値段", "價格", "單價", "售價"),
    ("date", "day", "time", "timestamp", "日付", "日時", "年月日", "日期", "時間"),
    ("customer", "client", "buyer", "account",
     "顧客", "お客様", "得意先", "取引先", "客戶", "客户", "顧客"),
    ("region", "area", "territory", "zone", "地域", "エリア", "地方", "地區", "区域", "區域"),
    ("country", "nation", "国", "國家", "国家"),
    ("city", "town", "市", "都市", "城市", "市区町村"),
    ("product", "item", "goods", "商品", "製品", "品目", "產品", "产品", "品項"),
    ("category", "type", "segment", "class",
     "カテゴリ", "カテゴリー", "セグメント", "分類", "區隔", "類別", "種類", "类别"),
    ("department", "division", "team", "部署", "部門", "部门"),
    ("store", "shop", "branch", "店舗", "支店", "店", "門市", "分店", "商店"),
    ("salary", "wage", "pay", "給与", "給料", "年収", "薪資", "薪水", "薪水"),
    ("age", "oldest", "youngest", "older", "younger", "年齢", "年齡"),
    ("score", "rating", "grade", "点数", "評価", "スコア", "分數", "評分", "成績"),
    ("gender", "sex", "性別"),
    ("name", "名前", "氏名", "姓名", "名稱", "名称"),
    ("employee", "staff", "worker", "社員", "従業員", "員工"),
    ("order", "orders", "注文", "訂單"),
    ("status", "state", "状態", "ステータス", "狀態"),
    ("year", "年", "年度", "年份"),
    ("temperature", "temp", "hottest", "warmest", "coldest", "coolest",
     "hotter", "warmer", "colder", "cooler", "寒い", "寒か", "暑い", "暑か", "最冷", "最熱", "最热",
     "気温", "温度", "氣溫", "溫度"),
    ("max", "最高気温", "最高氣溫", "最高溫", "最高温"),
    ("min", "最低気温", "最低氣溫", "最低溫", "最低温"),
    ("population", "人口"),
    ("weight", "mass", "heaviest", "lightest", "heavier", "lighter", "最重", "最輕",
     "体重", "重さ", "重量", "體重", "体重"),
    ("precipitation", "rain", "rainfall", "wettest", "driest",
     "降水量", "降水", "雨量", "降雨", "雨が", "雨の"),
    ("wind", "windiest", "風速", "風力", "風が", "風の", "風最"),
    ("species", "種", "物種"),
    ("island", "島", "島嶼", "岛屿"),
    ("weather", "天気", "天氣", "天候"),
    ("length", "longest", "shortest", "longer", "shorter", "最長", "最短", "長さ", "長度"),
    ("height", "tallest", "taller", "身長", "身长", "高さ", "身高", "高度"),
    ("width", "幅", "寬度", "宽度"),
    ("depth", "深さ", "深度", "奥行き"),
    ("bill", "beak", "くちばし", "嘴", "喙"),
    ("flipper", "フリッパー", "ひれ", "鰭肢", "鰭", "翅膀", "翼"),
    ("discount", "rebate", "割引", "割引率", "値引き", "折扣"),
    ("month", "月份"),
    ("stock", "inventory", "在庫", "庫存"),
    ("brand", "maker", "manufacturer", "メーカー", "ブランド", "品牌", "廠商"),
    ("address", "住所", "地址"),
    ("payment", "支払い", "支払", "付款"),
    ("title", "タイトル", "標題"),
    ("duration", "longest", "shortest", "longer", "shorter", "所要時間", "時長"),
    ("distance", "距離"),
    ("speed", "速度"),
    ("humidity", "湿度", "濕度"),
)  # fmt: skip
"""Words that people use for one another in the names of columns."""

ADDITIVE = _any(
    r"precipitation|rain|降水|雨量|revenue|sales|amount|turnover|income|profit|quantity|qty|units|volume|count|total|orders|number|budget|spend|cost|population",
    r"売上|金額|利益|数量|個数|件数|營收|銷售|營業額|收入|利潤|數量|銷量|費|支出|人数|人數|人口|合計",
)
"""Columns whose sum means something; of others the mean is taken."""


def first(text: str, words: Mapping[str, re.Pattern[str]]) -> str | None:
    """Give the first entry whose words occur in the text."""
    return next((name for name, pattern in words.items() if pattern.search(text)), None)
