"""What shops and CRMs call their columns, in English and Chinese."""

from __future__ import annotations

# Our column → names for it without blanks and signs, the likeliest first.
NAMES = {
    "customer_id": (
        "customerid custid clientid buyerid userid memberid accountid customerno "
        "customernumber "
        "customercode customer client buyer member user account cid 客户编号 客户id 客户号 "
        "客户代码 会员编号 会员id 会员号 会员卡号 用户id 用户编号 顾客编号 顾客id 买家id "
        "买家编号 "
        "客户 会员 primaryassociatedcompanyid associatedcompanyid companyid email "
        "customeremail 邮箱"
    ),
    "occurred_at": (
        "paidat 付款时间 支付时间 付款日期 orderdate invoicedate purchasedate transactiondate "
        "orderedat purchasedat occurredat 下单时间 下单日期 交易时间 交易日期 订单时间 "
        "订单日期 "
        "成交时间 购买时间 购买日期 消费时间 消费日期 createdat closedate date datetime "
        "timestamp "
        "time day 日期 时间"
    ),
    "amount": (
        "amount totalamount orderamount paidamount ordertotal grandtotal total revenue sales "
        "spend "
        "dollarvalue dollars value linetotal 实付金额 支付金额 付款金额 实收金额 订单金额 "
        "交易金额 "
        "消费金额 成交金额 总金额 金额 销售额 总价"
    ),
    "transaction_id": (
        "transactionid orderid ordernumber orderno invoice invoiceno invoiceid receiptno "
        "receiptid "
        "dealid opportunityid transaction order 订单号 订单编号 订单id 交易号 交易编号 "
        "流水号 单号 小票号 发票号"
    ),
    "kind": "kind transactiontype ordertype type 交易类型 订单类型 类型",
    "currency": "currency currencycode 币种 货币",
    "category": "category productcategory productgroup 品类 类别 商品类别 商品分类",
}
QUANTITY = "quantity qty units count pieces 数量 件数 购买数量 商品数量"
PRICE = "unitprice price itemprice 单价 商品单价 价格"
REFUNDED = "refundedamount refundamount refunded refund 退款金额 退款"
WORDS = {
    "purchase": "purchase sale sales order 购买 销售 消费 订单 付款",
    "refund": "refund return returned cancellation 退款 退货 取消",
}

# The other tables: our column → names for it; the contract's own names come first anyway.
_CUSTOMER = (
    NAMES["customer_id"].replace(" email customeremail 邮箱", "") + " associatedcompanyids "
    "company "
    "requesterexternalid contactid"
)
_OWNER = (
    "ownerid owner assignee assignedto activityassignedto agentid agent accountmanager "
    "salesrep "
    "employeeid staffid 负责人 负责人编号 负责人id 客户经理 客户经理编号 员工编号 工号 客服 "
    "坐席 跟进人"
)
_WHEN = "date datetime timestamp time day createdat 日期 时间 创建时间"
_KEY = "id recordid 编号"
_CHANNEL = "channel via medium activitytype tasksubtype contactmethod 渠道 方式 沟通方式 "
"触达渠道 联系方式类型"
TABLES = {
    "customers": {
        "customer_id": _CUSTOMER + " " + _KEY,
        "name": "name fullname customername contactname 姓名 客户姓名 客户名称 名称 会员姓名",
        "created_at": "createdat createdate createddate registeredat signupdate "
        "registrationdate "
        "customersince 注册时间 注册日期 创建时间 入会时间 建档时间",
        "industry": "industry sector vertical 行业",
        "region": "region area province state city country 地区 区域 省份 城市",
        "owner_id": _OWNER,
        "decision_maker": "decisionmaker keycontact 决策人 关键人",
        "email": "email emailaddress mail 邮箱 电子邮箱",
        "phone": "phone phonenumber mobile telephone 手机 手机号 电话 联系电话",
        "birthday": "birthday birthdate dateofbirth dob 生日 出生日期",
        "time_zone": "timezone tz 时区",
        "consent_email": "consentemail emailconsent emailoptin acceptsemailmarketing "
        "emailmarketingconsent acceptsmarketing mailok 邮件授权 同意邮件",
        "consent_phone": "consentphone phoneconsent phoneoptin callconsent 电话授权 同意电话",
        "consent_sms": "consentsms smsconsent smsoptin acceptssmsmarketing 短信授权 同意短信",
        "consent_wechat": "consentwechat wechatconsent 微信授权 同意微信",
        "strategic_fit": "strategicfit fit fitscore 战略匹配 战略匹配度",
    },
    "touches": {
        "touch_id": "touchid activityid taskid contactid messageid 触达编号 触达id 活动编号 "
        "跟进编号 " + _KEY,
        "customer_id": _CUSTOMER,
        "occurred_at": "occurredat touchedat activitydate contactedat contactdate sentat "
        "senttime "
        "calltime 触达时间 触达日期 联系时间 联系日期 沟通时间 跟进时间 发送时间 " + _WHEN,
        "channel": _CHANNEL + " type 类型",
        "direction": "direction calltype inbound 方向 呼入呼出",
        "dimension": "dimension 维度",
        "depth": "depth 深度",
        "content_type": "contenttype content template campaign 内容类型 内容 模板",
        "owner_id": _OWNER,
        "automated": "automated automatic isautomated 自动 是否自动",
        "delivered": "delivered isdelivered 送达 是否送达",
        "opened": "opened isopened open 打开 是否打开",
        "clicked": "clicked isclicked click 点击 是否点击",
        "replied": "replied isreplied reply 回复 是否回复",
        "unsubscribed": "unsubscribed optout 退订 是否退订",
    },
    "feedback": {
        "feedback_id": "feedbackid surveyid responseid answerid 反馈编号 问卷编号 " + _KEY,
        "customer_id": _CUSTOMER,
        "asked_at": "askedat surveysentat sentat requestedat invitedat 询问时间 发放时间 "
        "邀请时间 "
        "发送时间 " + _WHEN,
        "answered_at": "answeredat respondedat submittedat completedat 回答时间 回复时间 "
        "提交时间",
        "kind": "kind surveytype metric type 问卷类型 调查类型 类型",
        "score": "score rating nps csat ces answer 评分 得分 分数 打分",
        "scale_min": "scalemin minscore 最低分",
        "scale_max": "scalemax maxscore 最高分",
        "text": "text comment comments feedback verbatim 反馈 反馈内容 评论 意见 留言",
    },
    "tickets": {
        "ticket_id": "ticketid caseid casenumber ticketnumber issueid 工单号 工单编号 工单id "
        "" + _KEY,
        "customer_id": _CUSTOMER + " requester requesterid",
        "opened_at": "openedat createdat submittedat reportedat 提交时间 创建时间 开单时间 "
        "受理时间 "
        + _WHEN,
        "first_reply_at": "firstreplyat firstresponseat firstrespondedat 首次回复时间 "
        "首次响应时间",
        "resolved_at": "resolvedat solvedat closedat completedat 解决时间 关闭时间 完成时间",
        "reopened_at": "reopenedat 重开时间 重新打开时间",
        "kind": "kind tickettype casetype type category 工单类型 类型",
        "channel": _CHANNEL + " source origin 来源",
        "owner_id": _OWNER,
        "priority": "priority severity urgency 优先级 紧急程度",
    },
    "engagement": {
        "customer_id": _CUSTOMER,
        "date": "date day eventdate activitydate 日期 统计日期 " + _WHEN,
        "event": "event eventname eventtype action activity 事件 事件名称 行为",
        "count": "count events eventcount times number n 次数 数量",
    },
    "contracts": {
        "contract_id": "contractid contractnumber contractno subscriptionid agreementid "
        "合同号 合同编号 "
        + _KEY,
        "customer_id": _CUSTOMER,
        "starts_on": "startson startdate start startsat validfrom effectivedate 开始日期 "
        "起始日期 生效日期 "
        "合同开始",
        "ends_on": "endson enddate end endsat validto expirydate expirationdate renewaldate "
        "结束日期 "
        "到期日 到期日期 终止日期 合同结束",
        "annual_value": "annualvalue arr acv annualamount yearlyvalue 年费 年金额 合同年值 "
        "年度金额",
        "status": "status state 状态 合同状态",
        "reason": "reason lossreason churnreason 原因 流失原因",
    },
    "assignments": {
        "experiment_id": "experimentid experiment testid test campaignid 实验编号 实验id "
        "实验 试验",
        "customer_id": _CUSTOMER,
        "arm": "arm variant group treatment cell 组 分组 实验组 版本",
        "assigned_at": "assignedat assigneddate assignmentdate enrolledat 分配时间 分组时间 "
        "" + _WHEN,
        "stratum": "stratum strata block 层 分层",
    },
    "referrals": {
        "customer_id": _CUSTOMER + " referrerid referrer referredby 推荐人 推荐人编号",
        "referred_customer_id": "referredcustomerid referredid referred refereeid referee "
        "invitedid "
        "newcustomerid 被推荐人 被推荐人编号 被推荐客户 新客户编号",
        "referred_at": "referredat referraldate invitedat 推荐时间 推荐日期 " + _WHEN,
        "recurring_value": "recurringvalue monthlyvalue mrr 经常性收入",
    },
    "owners": {
        "owner_id": _OWNER + " userid " + _KEY,
        "name": "name fullname ownername 姓名 名称",
        "role": "role title position jobtitle 职位 角色 岗位",
        "hours_per_week": "hoursperweek weeklyhours capacity hours 每周工时 周工时 工时",
    },
    "owner_history": {
        "customer_id": _CUSTOMER,
        "owner_id": _OWNER,
        "starts_on": "startson startdate start from validfrom assignedon 开始日期 起始日期 "
        "接手日期",
        "ends_on": "endson enddate end to until validto 结束日期 移交日期",
    },
    "interviews": {
        "customer_id": _CUSTOMER,
        "field": "field question attribute property topic 字段 问题 属性",
        "interviewed_at": "interviewedat interviewdate 访谈时间 访谈日期 " + _WHEN,
        "value": "value answer response 值 回答 访谈值",
    },
    "survey_values": {
        "customer_id": _CUSTOMER,
        "field": "field question attribute property 字段 问题 属性",
        "answered_at": "answeredat surveyedat surveydate submittedat 填写时间 问卷时间 "
        "回答时间 " + _WHEN,
        "value": "value answer response 值 回答 填写值",
    },
    "stages": {
        "customer_id": _CUSTOMER,
        "stage": "stage lifecyclestage dealstage pipelinestage funnelstage 阶段 客户阶段 "
        "生命周期阶段",
        "entered_at": "enteredat stageenteredat changedat movedat 进入时间 变更时间 " + _WHEN,
    },
    "needs": {
        "need_id": "needid requirementid 需求编号 " + _KEY,
        "description": "description need requirement text 需求 需求描述 描述",
        "kano": "kano kanotype kanoclass 卡诺 需求类型",
        "importance": "importance weight 重要性 重要度",
        "urgency": "urgency 紧急性 紧急度",
        "customer_id": _CUSTOMER,
    },
    "reviews": {
        "customer_id": _CUSTOMER,
        "reviewed_at": "reviewedat reviewdate 复核时间 复核日期 " + _WHEN,
        "label": "label tag verdict decision 标签 结论",
        "reviewer": "reviewer reviewedby 复核人 审核人",
    },
}  # fmt: skip
# Names that stand in tables of every sort, and say little of which one it is.
COMMON = frozenset(
    f"{_KEY} {_WHEN} {_CUSTOMER} {_OWNER} name email phone type kind status state text comment "
    "reason value answer group from to start end priority source role title count number n "
    "类型 "
    "requester requesterid 状态 姓名 名称 邮箱 电话 原因 值".split()
)
# Column → our word → theirs, without blanks and signs.
CHOICE_WORDS = {
    "channel": {
        "phone": "phone call telephone voice phonecall 电话 通话 呼叫",
        "email": "email mail listemail 邮件 邮箱 电子邮件",
        "sms": "sms textmessage 短信",
        "wechat": "wechat 微信 企业微信 公众号",
        "visit": "visit meeting onsite facetoface 拜访 上门 面谈 会面 到访",
        "app": "app web webform webwidget chat inapp push 应用 网页 在线 小程序",
        "event": "event webinar conference 活动 会议",
        "other": "other task cadence linkedin whatsapp facebook instagram 其他",
    },
    "direction": {
        "outbound": "outbound outgoing out sent 呼出 外呼 主动",
        "inbound": "inbound incoming in received 呼入 来电 被动",
    },
    "tickets.kind": {
        "complaint": "complaint 投诉",
        "question": "question inquiry enquiry 咨询 问题 -",
        "incident": "incident problem bug fault 故障 事件",
        "request": "request task featurerequest 请求 需求 任务",
    },
    "feedback.kind": {
        "nps": "nps netpromoterscore 净推荐值",
        "csat": "csat satisfaction 满意度",
        "ces": "ces effort customereffort 费力度",
        "interview": "interview 访谈",
        "other": "other 其他",
    },
    "status": {
        "active": "active running current 生效 有效 履行中",
        "renewed": "renewed renewal 已续约 续约",
        "lost": "lost churned cancelled canceled expired terminated 流失 终止 已取消",
        "pending": "pending open draft negotiation 待定 待签",
    },
    "kano": {
        "basic": "basic mustbe 基本",
        "expected": "expected performance onedimensional 期望",
        "delight": "delight attractive excitement 兴奋 魅力",
    },
    "dimension": {"emotion": "emotion 情感", "value": "value 价值", "response": "response 响应"},
    "depth": {"message": "message 消息", "deep": "deep 深度", "strategic": "strategic 战略"},
}
# A length of time after a ticket was opened, by the calendar; not within business hours.
FIRST_REPLY_MINUTES = "firstreplytimeinminutes firstreplyminutes 首次回复分钟 首次响应分钟"
